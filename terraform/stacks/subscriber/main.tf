# A subscriber: post_message in another account, for some of a cell's shards. It adds Lambda's capacity and isolation; the
# quota of posts stays the one of the API's account.

module "deployment" {
  source = "../../modules/deployment"

  prefix               = var.cell.prefix
  environment          = var.cell.environment
  settings             = var.deployment
  permissions_boundary = var.cell.permissions_boundary
  alarm_topic_arn      = var.alarm_topic_arn
}

module "package" {
  source = "../../modules/package"

  environment = var.cell.environment
  region      = var.region
  bucket      = "${var.cell.prefix}-package-${var.cell.account_id}"
  package     = var.package
}
