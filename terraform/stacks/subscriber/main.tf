# A subscriber: post_message in another account, for some of a cell's shards. It adds Lambda's capacity and isolation; the
# quota of posts stays the one of the API's account.

locals {
  deployment = {
    prefix             = var.cell.prefix
    environment        = var.cell.environment
    architecture       = var.architecture
    log_level          = var.log_level
    log_retention_days = var.log_retention_days
    tracing            = var.tracing

    permissions_boundary = var.cell.permissions_boundary
  }
}

module "package" {
  source = "../../modules/package"

  bucket  = "${var.cell.prefix}-package-${var.cell.account_id}"
  package = var.package
}
