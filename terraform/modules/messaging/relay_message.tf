module "relay_message" {
  source = "../lambda_function"

  name       = "relay_message"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.relay_message

  variables = {
    MESSAGES_TABLE        = local.messages.name
    CONNECTIONS_TABLE     = local.connections.name
    DEVICES_TABLE         = local.devices.name
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    INBOX_QUEUE_URL       = aws_sqs_queue.inbox.url
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url

    # Only where there are further cells.
    CELL_NAME         = local.cell_name
    PLACEMENTS_TABLE  = try(var.hub.messages.placements_table, var.tables.placements.name, null)
    FORWARD_QUEUE_URL = try(var.hub.messages.queue_url, aws_sqs_queue.forward["hub"].url, null)
    HUB_ROLE_ARN      = try(var.hub.messages.role_arn, null)
    HUB_EXTERNAL_ID   = local.has_hub ? var.hub.role.external_id : null
    HUB_REGION        = local.has_hub ? var.hub.hub_region : null
  }

  queues_read = { ReadWakes = [aws_sqs_queue.inbox.arn] }

  statements = merge(local.hand_over, {
    # Closing, too: a device that missed a message is closed, so that its client knows.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
    }
    # If time runs out, another wake is sent for the rest.
    SendWakes = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.inbox.arn, var.broadcast.dead_letter_queue.arn]
    }
  })

  tenant_statements = merge({
    # If one device refuses a message, the devices that have it are noted.
    ReadAndEmptyInbox = {
      actions      = ["dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources    = [local.messages.arn]
      leading_keys = ["{tenantId}#*"]
    }
    # Devices that are gone are deleted.
    FindConnections = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:Query"]
      resources    = [local.devices.arn]
      leading_keys = ["{tenantId}#*"]
    }
    # Reads whether a connection has a row and whether it is new; deletes the row of a connection that is gone.
    ReadConnections = {
      actions      = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }, local.find_players)
}

# One group an inbox: its wakes follow one another, and those of different inboxes go side by side.
resource "aws_sqs_queue" "inbox" {
  name                      = "${var.deployment.prefix}-inbox.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 86400
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for.
  visibility_timeout_seconds = 6 * var.functions.relay_message.timeout
}

# Wakes of inboxes that could not be delivered. The messages stay there, and the next wake delivers them.
resource "aws_sqs_queue" "inbox_failure" {
  name                      = "${var.deployment.prefix}-inbox-failure.fifo"
  fifo_queue                = true
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# A wake that fails is delivered again after 2 s, 4 s and so on: five minutes in all. Apart from the queue, so that
# neither waits for the other: the provider watches every change of a queue for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "inbox" {
  queue_url = aws_sqs_queue.inbox.url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.inbox_failure.arn
    maxReceiveCount     = 9
  })
}

# One wake an invocation: in a batch, the inboxes behind that of a receiver who is slow or throttled would wait for it.
resource "aws_lambda_event_source_mapping" "relay_message" {
  event_source_arn        = aws_sqs_queue.inbox.arn
  function_name           = module.relay_message.alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  # A wake whose receiver is slow takes seconds; the others still leave most of the account's concurrency.
  scaling_config {
    maximum_concurrency = 200
  }
}

# It sends a wake that it has no time for to the queue that it reads. Lambda takes that for a loop and would drop the
# message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "relay_message" {
  function_name  = module.relay_message.name
  recursive_loop = "Allow"
}
