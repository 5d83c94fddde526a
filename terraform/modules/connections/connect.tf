module "connect" {
  source = "../lambda_function"

  name       = "connect"
  capability = "connections"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.connect

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    SESSIONS_TABLE    = local.sessions.name
    DEVICES_TABLE     = local.devices.name
    LIMITS_TABLE      = local.limits.name
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
    SESSION_SHARE     = var.session_share
    SPREAD_SESSIONS   = !var.deployment.former_release
  }

  # In its own name, not as one tenant: at 500 connects a second of many tenants it would take most of what STS answers.
  # All keys are from the authorizer's context: docs/decisions/0038.
  statements = {
    # A full session's connections may be gone, although their rows exist.
    LookUpConnections = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.look_up_arn]
    }
    CountAndReserve = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.limits.arn]
    }
    # A full session's connections are looked up, to remove connections that are gone.
    RecordConnection = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem"]
      resources = [local.connections.arn]
    }
    RecordDevice = {
      actions   = ["dynamodb:PutItem"]
      resources = [local.devices.arn]
    }
    # A session that floods is removed.
    JoinSession = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [local.sessions.arn]
    }
  }

  # Permissions of the former release's `connect`.
  tenant_statements = {
    for sid, statement in {
      CountAndReserve = {
        actions      = ["dynamodb:UpdateItem"]
        resources    = [local.limits.arn]
        leading_keys = ["{tenantId}", "{tenantId}:*"]
      }
      RecordConnection = {
        actions      = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem"]
        resources    = [local.connections.arn]
        leading_keys = ["{tenantId}#*"]
      }
      RecordDevice = {
        actions      = ["dynamodb:PutItem"]
        resources    = [local.devices.arn]
        leading_keys = ["{tenantId}#*"]
      }
      JoinSession = {
        actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
        resources    = [local.sessions.arn]
        leading_keys = ["{tenantId}"]
      }
    } : sid => statement if var.deployment.former_release
  }
}
