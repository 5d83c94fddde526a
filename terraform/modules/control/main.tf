# The control plane: the HTTP API that publishers and tenants call, and its page.

module "web" {
  source = "../web"
  count  = var.console.enabled ? 1 : 0

  package       = var.package
  deployment    = var.deployment
  functions     = var.functions
  auth          = var.auth
  list_tenants  = var.list_tenants
  websocket_url = var.websocket_url
  cells         = var.cells
  aws_endpoint  = var.aws_endpoint
}

module "http_api" {
  source = "../http_api"

  deployment   = var.deployment
  settings     = var.http_api
  aws_endpoint = var.aws_endpoint
  jwt          = var.jwt
  routes       = local.routes
}

locals {
  # Permission to open a session does not include broadcasting, although both use tokens of the same issuer.
  broadcast_scopes = var.auth.broadcast == "jwt" ? var.jwt[*].broadcast_scope : []

  # Each client of a crowd asks twice, and once more if it is early or late: see docs/decisions/0044.
  session_throttle = var.connects_per_second == 0 ? null : {
    rate  = max(4 * var.connects_per_second, try(var.http_api.throttle.rate, 500))
    burst = max(4 * var.connects_per_second, try(var.http_api.throttle.burst, 500))
  }

  routes = merge(concat(module.web[*].routes, [{
    "POST /broadcast"     = { alias = var.aliases.publish, auth = var.auth.broadcast, scopes = local.broadcast_scopes }
    "POST /broadcasts"    = { alias = var.aliases.publish, auth = var.auth.broadcast, scopes = local.broadcast_scopes }
    "GET /broadcast/{id}" = { alias = var.aliases.session_api, auth = var.auth.broadcast, scopes = local.broadcast_scopes }
    "PUT /session"        = { alias = var.aliases.session_api, auth = var.auth.session, throttle = local.session_throttle }
    "DELETE /session"     = { alias = var.aliases.session_api, auth = var.auth.session }
    "GET /tenant"         = { alias = var.aliases.session_api, auth = var.auth.session }
  }])...)
}

moved {
  from = module.console[0]
  to   = module.web[0].module.console
}
