module "disconnect" {
  source = "../lambda_function"

  name       = "disconnect"
  capability = "connections"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.disconnect

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
  }

  queues_read = { ReadKeys = [module.disconnect_queue.queues["disconnect"].arn] }

  statements = {
    # A member of a room that missed a message is closed, so that its client knows.
    Close = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.close_arn]
    }
    # In its own name, not as one tenant: docs/decisions/0038.
    DeleteConnection = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
      resources = [local.connections.arn]
    }
  }

  # Permissions of the former release's `disconnect`.
  tenant_statements = {
    for sid, statement in {
      DeleteConnection = {
        actions      = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
        resources    = [local.connections.arn]
        leading_keys = ["{tenantId}#*"]
      }
    } : sid => statement if var.deployment.former_release
  }
}

# The keys of connections that closed, or are to be closed. A message whose row cannot be deleted is received again; the row
# of a message that is given up expires. A crowd that ends together takes no more concurrency than this.
module "disconnect_queue" {
  source = "../work_queue"

  prefix              = var.deployment.prefix
  names               = ["disconnect"]
  readers             = { disconnect = module.disconnect.alias.arn }
  timeout             = var.functions.disconnect.timeout
  retention_seconds   = 7200
  maximum_concurrency = 10
}
