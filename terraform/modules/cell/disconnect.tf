module "disconnect" {
  source = "../lambda_function"

  name                    = "disconnect"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.disconnect
  memory                  = local.memory.disconnect
  reserved_concurrency    = lookup(var.reserved_concurrency, "disconnect", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "disconnect", null)

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    SESSIONS_TABLE    = local.sessions.name
  }

  tenant_statements = {
    DeleteConnection = {
      actions      = ["dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
    # Where the authorizer's context is missing, the session's set says which partition the connection is in.
    ReadSession = {
      actions      = ["dynamodb:GetItem"]
      resources    = [local.sessions.arn]
      leading_keys = ["{tenantId}"]
    }
  }
}
