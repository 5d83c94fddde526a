module "session_api" {
  source = "../lambda_function"

  name                    = "session_api"
  capability              = "sessions"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.session_api
  reserved_concurrency    = lookup(var.reserved_concurrency, "session_api", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "session_api", null)

  variables = {
    TENANTS_TABLE    = var.tables.tenants.name
    SESSIONS_TABLE   = var.tables.sessions.name
    PLACES_TABLE     = var.tables.places.name
    BROADCASTS_TABLE = var.tables.broadcasts.name
    WEBSOCKET_URL    = var.websocket_url
    SPREAD_SESSIONS  = local.spread_sessions
    LIST_TENANTS     = var.list_tenants
    SILO_TENANTS     = jsonencode(local.listed_silos)

    SESSION_AUTH        = var.auth.session
    TENANT_CLAIM        = local.tenant_claim
    SHORTEST_SESSION_ID = local.shortest_session_id
  }

  statements = {
    ReadTenants = {
      actions   = concat(["dynamodb:GetItem"], var.list_tenants ? ["dynamodb:Scan"] : [])
      resources = [var.tables.tenants.arn]
    }
    KeepSessions = {
      actions = [
        "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
      ]
      resources = [var.tables.sessions.arn]
    }
    TakePlace = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [var.tables.places.arn]
    }
    ReadReports = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [var.tables.broadcasts.arn]
    }
  }
}
