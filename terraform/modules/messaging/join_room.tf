module "join_room" {
  source = "../lambda_function"

  name       = "join_room"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.join_room

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    SESSIONS_TABLE    = local.sessions.name
    LIMITS_TABLE      = local.limits.name
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
    SESSION_SHARE     = var.session_share
  }

  statements = {
    Announce = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn]
    }
  }

  tenant_statements = {
    CountMessage = {
      actions      = ["dynamodb:UpdateItem"]
      resources    = [local.limits.arn]
      leading_keys = ["{tenantId}:*"]
    }
    # A session that floods is removed.
    KeepSessionAlive = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [local.sessions.arn]
      leading_keys = ["{tenantId}#*", "{tenantId}"]
    }
    # A member whose connection turns out to be gone is removed.
    Join = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
    FindMembers = {
      actions      = ["dynamodb:Query"]
      resources    = [local.connections.by_room_arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}
