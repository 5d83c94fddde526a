# The hub: the control plane and one cell, complete by itself.

locals {
  deployment = {
    prefix             = coalesce(var.prefix, "loudhailer-${var.environment}")
    environment        = var.environment
    architecture       = var.architecture
    log_level          = var.log_level
    log_retention_days = var.log_retention_days
    tracing            = var.tracing

    permissions_boundary = var.permissions_boundary
  }

  # https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html
  small_regions = [
    "af-south-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "mx-central-1",
  ]
  regions_quota = contains(local.small_regions, var.region) ? { rate = 2500, burst = 1250 } : { rate = 10000, burst = 5000 }

  quota = merge(var.quota, {
    posts_per_second = coalesce(var.quota.posts_per_second, local.regions_quota.rate)
    burst            = coalesce(var.quota.burst, local.regions_quota.burst)
  })

  control_functions = ["console", "publish", "session_api"]
  control_reserved  = { for name, count in var.reserved_concurrency : name => count if contains(local.control_functions, name) }
  cell_reserved     = { for name, count in var.reserved_concurrency : name => count if !contains(local.control_functions, name) }

  control_provisioned = {
    for name, count in var.provisioned_concurrency : name => count if contains(local.control_functions, name)
  }
  cell_provisioned = {
    for name, count in var.provisioned_concurrency : name => count if !contains(local.control_functions, name)
  }
}

module "package" {
  source = "../../modules/package"

  bucket  = "${local.deployment.prefix}-package"
  package = var.package
}

module "cell" {
  source = "../../modules/cell"

  package                  = module.package.package
  deployment               = local.deployment
  deletion_protection      = var.deletion_protection
  partitions               = var.partitions
  quota                    = local.quota
  session_share            = var.session_share
  shards                   = var.shards
  silo_tenants             = var.silo_tenants
  chunk_size               = var.chunk_size
  accounting_window        = var.accounting_window
  broadcast_keys           = var.broadcast_keys
  query_concurrency        = var.query_concurrency
  message_lifetime_seconds = var.message_lifetime_seconds
  inbox_lifetime_seconds   = var.inbox_lifetime_seconds
  messages_per_inbox       = var.messages_per_inbox
  timeouts                 = var.timeouts
  memory                   = var.memory
  reserved_concurrency     = local.cell_reserved
  provisioned_concurrency  = local.cell_provisioned
  gateway_endpoint         = var.gateway_endpoint
  api_gateway_account      = var.api_gateway_account
  subscribers              = var.subscribers
  alarm_topic_arn          = var.alarm_topic_arn
}

module "control" {
  source = "../../modules/control"

  package                  = module.package.package
  deployment               = local.deployment
  tables                   = module.cell.tables
  topic_arn                = module.cell.topic_arn
  websocket_url            = module.cell.websocket_api.url
  auth                     = var.auth
  jwt                      = var.jwt
  cors_origins             = var.cors_origins
  throttle                 = var.http_throttle
  list_tenants             = var.list_tenants
  silo_tenants             = var.silo_tenants
  console                  = var.console
  broadcast_keys           = var.broadcast_keys
  message_lifetime_seconds = var.message_lifetime_seconds
  reserved_concurrency     = local.control_reserved
  provisioned_concurrency  = local.control_provisioned
  aws_endpoint             = var.aws_endpoint
  alarm_topic_arn          = var.alarm_topic_arn
}
