# A further cell: sockets, connections, sessions and the way of a broadcast, in an account of its own. The hub places its sessions,
# has its tenants, and accepts its broadcasts.

module "deployment" {
  source = "../../modules/deployment"

  prefix               = var.hub.prefix
  environment          = var.hub.environment
  settings             = var.deployment
  permissions_boundary = var.hub.permissions_boundary
  deletion_protection  = var.deletion_protection
  alarm_topic_arn      = var.alarm_topic_arn
}

module "package" {
  source = "../../modules/package"

  environment = var.hub.environment
  region      = var.region
  bucket      = "${var.hub.prefix}-package-${var.hub.account_id}"
  package     = var.package
}

module "cell" {
  source = "../../modules/cell"

  package          = module.package.package
  deployment       = module.deployment.deployment
  functions        = local.functions
  quota            = var.quota
  session_share    = var.session_share
  broadcast        = merge(var.broadcast, { lifetime_seconds = var.hub.message_lifetime_seconds })
  connections      = var.connections
  messaging        = var.messaging
  hub              = var.hub
  gateway_endpoint = var.gateway_endpoint

  api_gateway_account = var.api_gateway_account
}

# The owner of a queue needs no confirmation, and the topic's policy lets this one be subscribed:
# https://docs.aws.amazon.com/sns/latest/dg/sns-send-message-to-sqs-cross-account.html
# No filter: a change of one takes up to a quarter of an hour, and `swarm` drops what is not for this cell.
resource "aws_sns_topic_subscription" "hub" {
  provider = aws.hub_region

  topic_arn            = var.hub.topic_arn
  protocol             = "sqs"
  endpoint             = module.cell.queues["broadcast"].arn
  raw_message_delivery = true
}
