module "send_message" {
  source = "../lambda_function"

  name       = "send_message"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.send_message

  variables = {
    CONNECTIONS_TABLE        = local.connections.name
    SESSIONS_TABLE           = local.sessions.name
    LIMITS_TABLE             = local.limits.name
    MESSAGES_TABLE           = local.messages.name
    PLACES_TABLE             = local.places.name
    BROADCASTS_TABLE         = local.broadcasts.name
    BROADCAST_KEYS           = var.broadcast.keys
    BROADCAST_TOPIC_ARN      = var.broadcast.topic_arn
    DISCONNECT_QUEUE_URL     = var.disconnect_queue.url
    CALLBACK_ENDPOINT        = var.websocket_api.callback_endpoint
    MESSAGE_LIFETIME_SECONDS = var.broadcast.lifetime_seconds
    INBOX_LIFETIME_SECONDS   = var.settings.inbox_lifetime_seconds
    MESSAGES_PER_INBOX       = var.settings.messages_per_inbox
    SESSION_SHARE            = var.session_share
  }

  statements = {
    PostToMembers = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn]
    }
    # A message to a large room is sent as a broadcast.
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    # A member that does not accept a message is closed.
    SendEnds = {
      actions   = ["sqs:SendMessage"]
      resources = [var.disconnect_queue.arn]
    }
    Publish = {
      actions   = ["sns:Publish"]
      resources = [var.broadcast.topic_arn]
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
      resources    = [local.connections.by_room_arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}
