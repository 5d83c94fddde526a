# The control plane: what publishers and tenants call, and what answers them.

module "http_api" {
  source = "../http_api"

  prefix             = var.deployment.prefix
  environment        = var.deployment.environment
  aws_endpoint       = var.aws_endpoint
  jwt                = var.jwt
  cors_origins       = var.cors_origins
  throttle           = var.throttle
  log_retention_days = var.deployment.log_retention_days
  routes             = local.routes
}

locals {
  timeouts = { console = 10, publish = 10, session_api = 10 }

  # Who may open a session may not broadcast to everyone for that alone, though both show tokens of one issuer.
  broadcast_scopes = var.auth.broadcast == "jwt" ? var.jwt[*].broadcast_scope : []

  # The former release looks for a session under its tenant's id alone: docs/decisions/0037.
  spread_sessions = !var.former_release

  # A session's id is all that a client needs to get in: 22 characters of base64url hold 128 bits, which nobody guesses.
  shortest_session_id = var.deployment.environment == "local" ? 1 : 22

  # Without jwt no request has claims.
  tenant_claim = var.jwt == null ? "tenantId" : var.jwt.tenant_claim

  # Nobody asks for silos if tenants are not listed, and all variables of a function have 4 KB together.
  listed_silos = var.list_tenants ? var.silo_tenants : []

  routes = merge({ for key in local.console_routes : key => { alias = module.console[0].alias, auth = "public" } }, {
    "POST /broadcast"     = { alias = module.publish.alias, auth = var.auth.broadcast, scopes = local.broadcast_scopes }
    "GET /broadcast/{id}" = { alias = module.session_api.alias, auth = var.auth.broadcast, scopes = local.broadcast_scopes }
    "PUT /session"        = { alias = module.session_api.alias, auth = var.auth.session }
    "DELETE /session"     = { alias = module.session_api.alias, auth = var.auth.session }
    "GET /tenant"         = { alias = module.session_api.alias, auth = var.auth.session }
  })
}
