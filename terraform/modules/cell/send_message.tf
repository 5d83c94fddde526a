module "send_message" {
  source = "../lambda_function"

  name                    = "send_message"
  capability              = "messaging"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.send_message
  memory                  = local.memory.send_message
  reserved_concurrency    = lookup(var.reserved_concurrency, "send_message", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "send_message", null)

  variables = {
    CONNECTIONS_TABLE        = local.connections.name
    SESSIONS_TABLE           = local.sessions.name
    LIMITS_TABLE             = local.limits.name
    MESSAGES_TABLE           = local.messages.name
    PLACES_TABLE             = local.places.name
    BROADCASTS_TABLE         = local.broadcasts.name
    BROADCAST_KEYS           = var.broadcast_keys
    BROADCAST_TOPIC_ARN      = module.broadcast.topic_arn
    DISCONNECT_QUEUE_URL     = aws_sqs_queue.disconnect.url
    CALLBACK_ENDPOINT        = module.websocket_api.callback_endpoint
    MESSAGE_LIFETIME_SECONDS = var.message_lifetime_seconds
    INBOX_LIFETIME_SECONDS   = var.inbox_lifetime_seconds
    MESSAGES_PER_INBOX       = var.messages_per_inbox
    SESSION_SHARE            = var.session_share
  }

  statements = {
    PostToMembers = {
      actions   = ["execute-api:ManageConnections"]
      resources = [module.websocket_api.post_arn]
    }
    # What is said in a large room goes the way of a broadcast.
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    # A member that does not take what is said is closed.
    SendEnds = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.disconnect.arn]
    }
    Publish = {
      actions   = ["sns:Publish"]
      resources = [module.broadcast.topic_arn]
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
    # An inbox that seems full is counted.
    PutIntoInbox = {
      actions      = ["dynamodb:PutItem", "dynamodb:Query"]
      resources    = [local.messages.arn]
      leading_keys = ["{tenantId}#*"]
    }
    TakePlace = {
      actions      = ["dynamodb:UpdateItem"]
      resources    = [local.places.arn]
      leading_keys = ["{tenantId}"]
    }
    # A member whose connection turns out to be gone is removed.
    ReadMembership = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:GetItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
    FindMembers = {
      actions      = ["dynamodb:Query"]
      resources    = [module.connection_store.connections_by_room_arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}
