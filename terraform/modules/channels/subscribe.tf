module "subscribe" {
  source = "../lambda_function"

  name       = "subscribe"
  capability = "channels"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.subscribe

  variables = {
    CONNECTIONS_TABLE         = local.connections.name
    SESSIONS_TABLE            = var.tables.sessions.name
    LIMITS_TABLE              = var.tables.limits.name
    MEMBERS_TABLE             = local.members.name
    AUDIENCES_TABLE           = local.audiences.name
    SUBSCRIPTIONS_TABLE       = local.subscriptions.name
    LEAVE_QUEUE_URL           = module.leave_queue.queues["leave"].url
    CONNECTIONS_PER_PARTITION = var.settings.connections_per_partition
    MAX_PARTITIONS            = var.settings.max_partitions
    CHANNELS_ENABLED          = !var.deployment.before_channels
  }

  statements = {
    SendEnds = {
      actions   = ["sqs:SendMessage"]
      resources = [module.leave_queue.queues["leave"].arn]
    }
  }

  tenant_statements = {
    CountMessage = {
      actions      = ["dynamodb:UpdateItem"]
      resources    = [var.tables.limits.arn]
      leading_keys = ["{tenantId}:*"]
    }
    # A session that floods is removed.
    KeepSessionAlive = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [var.tables.sessions.arn]
      leading_keys = ["{tenantId}#*", "{tenantId}"]
    }
    # A connection is marked before its first subscription.
    MarkConnection = {
      actions      = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
    OpenPartitions = {
      actions      = ["dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources    = [local.audiences.arn]
      leading_keys = ["{tenantId}#*"]
    }
    Subscribe = {
      actions      = ["dynamodb:GetItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources    = [local.subscriptions.arn]
      leading_keys = ["{tenantId}#*"]
    }
    PutMembers = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:PutItem"]
      resources    = [local.members.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}
