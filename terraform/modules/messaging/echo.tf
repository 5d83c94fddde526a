locals {
  queues = merge({ pooled = null }, { for tenant in var.settings.silo_tenants : "silo-${tenant}" => tenant })
}

# One consumer for the pool, and one for each silo: a tenant that pays for a silo shares no concurrency with others.
module "echo" {
  source   = "../lambda_function"
  for_each = local.queues

  name       = "echo"
  capability = "messaging"
  suffix     = each.value
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.echo

  variables = {
    CONNECTIONS_TABLE     = local.connections.name
    SESSIONS_TABLE        = local.sessions.name
    LIMITS_TABLE          = local.limits.name
    QUEUE_URL             = module.echo_queues.queues[each.key].url
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url
    SESSION_SHARE         = var.session_share
  }

  queues_read = { ReadFrames = [module.echo_queues.queues[each.key].arn] }

  statements = {
    # Closing, too: a connection that accepts no frame would delay its session.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
    }
    GiveUp = {
      actions   = ["sqs:SendMessage"]
      resources = [var.broadcast.dead_letter_queue.arn]
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

# Queues of frames that must be handled in order: one for each tenant with a silo, and one for all others. One group a
# session. Batches of ten: enough for thousands of frames a second, and a small part of the account's concurrency for each
# tenant.
module "echo_queues" {
  source = "../work_queue"

  prefix              = var.deployment.prefix
  names               = keys(local.queues)
  readers             = { for key, function in module.echo : key => function.alias.arn }
  timeout             = var.functions.echo.timeout
  fifo                = true
  maximum_concurrency = 50
  failure             = { name = "dead-letter", receives = var.max_receive_count }
}
