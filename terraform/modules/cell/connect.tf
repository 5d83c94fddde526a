module "connect" {
  source = "../lambda_function"

  name                 = "connect"
  package              = var.package
  deployment           = var.deployment
  timeout              = local.timeouts.connect
  memory               = local.memory.connect
  reserved_concurrency = lookup(var.reserved_concurrency, "connect", null)

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    SESSIONS_TABLE    = local.sessions.name
    LIMITS_TABLE      = local.limits.name
  }

  statements = {
    ReserveAndGiveBack = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.limits.arn]
    }
    RecordConnection = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PutItem"]
      resources = [local.connections.arn]
    }
    JoinSession = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.sessions.arn]
    }
  }
}
