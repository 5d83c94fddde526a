# One consumer for the pool, and one for each silo: a tenant that pays for a silo shares no concurrency with others.
module "echo" {
  source   = "../lambda_function"
  for_each = module.messaging.queues

  name                    = "echo"
  capability              = "messaging"
  suffix                  = each.value.tenant
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.echo
  memory                  = local.memory.echo
  reserved_concurrency    = lookup(var.reserved_concurrency, "echo", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "echo", null)

  variables = {
    CONNECTIONS_TABLE     = local.connections.name
    SESSIONS_TABLE        = local.sessions.name
    LIMITS_TABLE          = local.limits.name
    QUEUE_URL             = each.value.url
    CALLBACK_ENDPOINT     = module.websocket_api.callback_endpoint
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    SESSION_SHARE         = var.session_share
  }

  statements = {
    ReadFrames = {
      actions   = local.consume
      resources = [each.value.arn]
    }
    # Closing too: a connection that takes nothing would hold up its session.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [module.websocket_api.post_arn, module.websocket_api.close_arn]
    }
    GiveUp = {
      actions   = ["sqs:SendMessage"]
      resources = [local.queues["dead-letter"].arn]
    }
  }

  tenant_statements = {
    CountMessages = {
      actions      = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [local.limits.arn]
      leading_keys = ["{tenantId}:*"]
    }
    # A session that floods is removed.
    KeepSessionAlive = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [local.sessions.arn]
      leading_keys = ["{tenantId}#*", "{tenantId}"]
    }
    # The row of a connection that is gone is deleted.
    DeleteStaleConnection = {
      actions      = ["dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}

module "messaging" {
  source = "../messaging"

  prefix       = var.deployment.prefix
  silo_tenants = var.silo_tenants
  timeout      = local.timeouts.echo
  consumers    = { for name, function in module.echo : name => function.alias.arn }
}
