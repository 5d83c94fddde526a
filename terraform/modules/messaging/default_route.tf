module "default_route" {
  source = "../lambda_function"

  name       = "default_route"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.default_route

  variables = {
    SESSIONS_TABLE = local.sessions.name
    LIMITS_TABLE   = local.limits.name
  }

  tenant_statements = {
    CountFrames = {
      actions      = ["dynamodb:UpdateItem"]
      resources    = [local.limits.arn]
      leading_keys = ["{tenantId}:*"]
    }
    # A session that floods is removed.
    EndSession = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem"]
      resources    = [local.sessions.arn]
      leading_keys = ["{tenantId}#*", "{tenantId}"]
    }
  }
}
