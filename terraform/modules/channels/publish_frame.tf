module "publish_frame" {
  source = "../lambda_function"

  name       = "publish_frame"
  capability = "channels"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.publish_frame

  variables = {
    MEMBERS_TABLE            = local.members.name
    AUDIENCES_TABLE          = local.audiences.name
    SESSIONS_TABLE           = var.tables.sessions.name
    LIMITS_TABLE             = var.tables.limits.name
    BROADCASTS_TABLE         = var.tables.broadcasts.name
    BROADCAST_KEYS           = var.broadcast.keys
    BROADCAST_TOPIC_ARN      = var.broadcast.topic_arn
    EXPRESS_QUEUE_URL        = var.broadcast.express_queue.url
    EXPRESS_RECIPIENTS       = var.broadcast.express_recipients
    CALLBACK_ENDPOINT        = var.websocket_api.callback_endpoint
    MESSAGE_LIFETIME_SECONDS = var.broadcast.lifetime_seconds
    SESSION_SHARE            = var.session_share
    PUBLISHING_ENABLED       = var.has_only_cell && !var.deployment.before_channels
  }

  statements = {
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [var.tables.broadcasts.arn]
    }
    # A message to many members is sent as a broadcast.
    Publish = {
      actions   = ["sns:Publish"]
      resources = [var.broadcast.topic_arn]
    }
    SendChunk = {
      actions   = ["sqs:SendMessage"]
      resources = [var.broadcast.express_queue.arn]
    }
  }

  tenant_statements = {
    # And note the frame's clientMessageId.
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
    CountMembers = {
      actions      = ["dynamodb:Query"]
      resources    = [local.audiences.arn]
      leading_keys = ["{tenantId}#*"]
    }
    FindMembers = {
      actions      = ["dynamodb:Query"]
      resources    = [local.members.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}
