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
    QUEUE_URL             = aws_sqs_queue.this[each.key].url
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url
    SESSION_SHARE         = var.session_share
  }

  queues_read = { ReadFrames = [aws_sqs_queue.this[each.key].arn] }

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

# A function that fails for some records of a batch names them, and only those are tried again.
resource "aws_lambda_event_source_mapping" "echo" {
  for_each = local.queues

  event_source_arn        = aws_sqs_queue.this[each.key].arn
  function_name           = module.echo[each.key].alias.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  # Batches of ten: enough for thousands of frames a second, and a small part of the account's concurrency for each tenant.
  scaling_config {
    maximum_concurrency = 50
  }
}

moved {
  from = aws_lambda_event_source_mapping.this
  to   = aws_lambda_event_source_mapping.echo
}
