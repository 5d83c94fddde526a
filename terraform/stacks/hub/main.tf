# The hub: the control plane and one cell, complete by itself.

module "deployment" {
  source = "../../modules/deployment"

  prefix               = coalesce(var.prefix, "loudhailer-${var.environment}")
  environment          = var.environment
  settings             = var.deployment
  permissions_boundary = var.permissions_boundary
  deletion_protection  = var.deletion_protection
  alarm_topic_arn      = var.alarm_topic_arn
}

module "package" {
  source = "../../modules/package"

  environment = var.environment
  region      = var.region
  bucket      = "${module.deployment.deployment.prefix}-package"
  package     = var.package
}

locals {
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
}

module "cell" {
  source = "../../modules/cell"

  package          = module.package.package
  deployment       = module.deployment.deployment
  functions        = local.functions
  quota            = local.quota
  session_share    = var.session_share
  broadcast        = var.broadcast
  connections      = var.connections
  messaging        = var.messaging
  subscribers      = var.subscribers
  cells            = local.cells
  gateway_endpoint = var.gateway_endpoint

  api_gateway_account = var.api_gateway_account

  session_api = {
    session_auth = var.auth.session
    list_tenants = var.list_tenants
    connects     = var.connects

    # Without jwt no request has claims.
    tenant_claim = var.jwt == null ? "tenantId" : var.jwt.tenant_claim
  }
}

module "control" {
  source = "../../modules/control"

  package       = module.package.package
  deployment    = module.deployment.deployment
  functions     = local.functions
  aliases       = module.cell.aliases
  websocket_url = module.cell.websocket_api.url
  cells         = length(var.cells) == 0 ? null : { regions = { for name, cell in var.cells : name => cell.region }, table = module.cell.tables["cells"] }
  http_api      = var.http_api
  auth          = var.auth
  jwt           = var.jwt
  list_tenants  = var.list_tenants
  console       = var.console

  connects_per_second = local.connects_per_second
  aws_endpoint        = var.aws_endpoint
}

# The functions of a capability are in one module, whichever API calls them.

moved {
  from = module.control.module.publish
  to   = module.cell.module.broadcast.module.publish
}

moved {
  from = module.control.module.session_api
  to   = module.cell.module.sessions.module.session_api
}
