locals {
  # Permissions on sessions: of session_api itself in the hub's own cell, of the hub's role in a further cell.
  keep_sessions = {
    KeepSessions = {
      actions = [
        "dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
      ]
      resources = [local.sessions.arn]
    }
    TakePlace = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.places.arn]
    }
  }

  # The former release looks for a session under its tenant's id alone: docs/decisions/0037.
  spread_sessions = !var.deployment.former_release

  # A session's id is all that a client needs to get in: 22 characters of base64url hold 128 bits, which cannot be
  # guessed.
  shortest_session_id = var.deployment.environment == "local" ? 1 : 22

  # Silos are needed only if tenants are listed, and all variables of a function have 4 KB together.
  listed_silos = try(var.api.list_tenants, false) ? var.api.silo_tenants : []
}

module "session_api" {
  source = "../lambda_function"
  count  = var.api == null ? 0 : 1

  name       = "session_api"
  capability = "sessions"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.session_api

  variables = {
    TENANTS_TABLE    = local.tenants.name
    SESSIONS_TABLE   = local.sessions.name
    PLACES_TABLE     = local.places.name
    LIMITS_TABLE     = local.limits.name
    BROADCASTS_TABLE = local.broadcasts.name
    WEBSOCKET_URL    = var.websocket_api.url
    SPREAD_SESSIONS  = local.spread_sessions
    LIST_TENANTS     = var.api.list_tenants
    SILO_TENANTS     = jsonencode(local.listed_silos)

    SESSION_AUTH        = var.api.session_auth
    TENANT_CLAIM        = var.api.tenant_claim
    SHORTEST_SESSION_ID = local.shortest_session_id
    CONNECTS_PER_SECOND = var.api.connects.per_second
    CONNECTS_RESERVE    = var.api.connects.reserve

    CELLS                = try(var.cells.json, null)
    CELLS_TABLE          = one(aws_dynamodb_table.cells[*].name)
    PLACEMENTS_TABLE     = one(aws_dynamodb_table.placements[*].name)
    CELL_ROLE_ARN        = var.cells == null ? null : local.cell_role_arn
    HUB_WEIGHT           = try(var.cells.hub_weight, null)
    HOME_CONNECTIONS     = try(var.cells.home_connections, null)
    LEASE_SECONDS        = try(var.cells.lease_seconds, null)
    REPORT_GRACE_SECONDS = local.report_grace_seconds
  }

  statements = merge(local.keep_sessions, local.place_on_cells, {
    ReadTenants = {
      actions   = concat(["dynamodb:GetItem"], var.api.list_tenants ? ["dynamodb:Scan"] : [])
      resources = [local.tenants.arn]
    }
    LetIn = {
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [local.limits.arn]
    }
    ReadReports = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [local.broadcasts.arn]
    }
  })
}

moved {
  from = module.session_api
  to   = module.session_api[0]
}
