module "presence" {
  source = "../lambda_function"

  name       = "presence"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.presence

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    INBOX_QUEUE_URL   = module.inbox_queue.queues["inbox"].url
    LEAVE_QUEUE_URL   = var.leave_queue.url
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
  }

  statements = {
    ReadStreams = {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [for stream in local.presence_streams : stream.arn]
    }
    # The permission to list streams is for the table, not for one stream.
    ListStreams = {
      actions   = ["dynamodb:ListStreams"]
      resources = ["${local.connections.arn}/stream/*", "${local.messages.arn}/stream/*"]
    }
    Wake = {
      actions   = ["sqs:SendMessage"]
      resources = [module.inbox_queue.queues["inbox"].arn]
    }
    EndSubscriptions = {
      actions   = ["sqs:SendMessage"]
      resources = [var.leave_queue.arn]
    }
    Announce = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn]
    }
    KeepFailures = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.presence_failure.arn]
    }
  }

  tenant_statements = {
    FindMembers = {
      actions      = ["dynamodb:Query"]
      resources    = [local.connections.by_room_arn]
      leading_keys = ["{tenantId}#*"]
    }
    # A member whose connection turns out to be gone is removed.
    RemoveMember = {
      actions      = ["dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}

# Notices of records that were given up. Their messages are still in their inboxes, and the next wake of those delivers
# them.
resource "aws_sqs_queue" "presence_failure" {
  name                      = "${var.deployment.prefix}-presence-failure"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

locals {
  # Filter of the records that invoke `presence`: a new message; a player's new connection; a connection that is or was
  # in a room; the end of one that may have subscriptions. The stream of `connections` has one other reader, `accounting`, and AWS allows no third.
  presence_streams = {
    connections = {
      arn = local.connections.stream_arn
      patterns = [
        { eventName = ["INSERT"], dynamodb = { NewImage = { playerId = { S = [{ exists = true }] } } } },
        { eventName = ["MODIFY", "REMOVE"], dynamodb = { OldImage = { roomKey = { S = [{ exists = true }] } } } },
        { eventName = ["REMOVE"], dynamodb = { OldImage = { subscribes = { BOOL = [true] } } } },
      ]
    }
    messages = {
      arn      = local.messages.stream_arn
      patterns = [{ eventName = ["INSERT"] }]
    }
  }
}

# Nothing is gathered: a client waits for each record. Records of one row stay in order, others are processed in
# parallel, so that slow leaves of a batch delay at most a quarter of the following records.
resource "aws_lambda_event_source_mapping" "presence" {
  for_each = local.presence_streams

  event_source_arn                   = each.value.arn
  function_name                      = module.presence.alias.arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 500
  maximum_batching_window_in_seconds = 0
  maximum_retry_attempts             = -1 # until a record is too old
  maximum_record_age_in_seconds      = 3600
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]
  parallelization_factor             = 4

  filter_criteria {
    dynamic "filter" {
      for_each = each.value.patterns
      content {
        pattern = jsonencode(filter.value)
      }
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.presence_failure.arn
    }
  }
}
