# In a hub with further cells: direct messages go from the cell of their sender to that of their receiver.

module "forward_message" {
  source = "../lambda_function"
  count  = var.cells == null ? 0 : 1

  name       = "forward_message"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.forward_message

  variables = {
    TENANTS_TABLE         = var.tables.tenants.name
    PLACEMENTS_TABLE      = var.tables.placements.name
    MESSAGES_TABLE        = local.messages.name
    PLACES_TABLE          = local.places.name
    FORWARD_QUEUES        = replace(aws_sqs_queue.forward["hub"].url, "-forward-hub.fifo", "-forward-{cell}.fifo")
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url
    MESSAGES_PER_INBOX    = var.settings.messages_per_inbox
    CELLS                 = var.cells.json
    CELL_ROLE_ARN         = local.cell_role_arn
  }

  queues_read = { ReadRequests = values(aws_sqs_queue.forward)[*].arn }

  statements = merge(local.keep_inboxes, {
    ReadTenant = {
      actions   = ["dynamodb:GetItem"]
      resources = [var.tables.tenants.arn]
    }
    # A player without a placement is placed, and the cells of a tenant are read.
    PlacePlayers = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"]
      resources = [var.tables.placements.arn]
    }
    ActInCells = {
      actions   = ["sts:AssumeRole"]
      resources = [for cell in var.cells.declared : replace(local.cell_role_arn, "{accountId}", cell.account_id)]
    }
    # For a player who came from another cell, or if time runs out; a malformed request is given up.
    SendRequests = {
      actions   = ["sqs:SendMessage"]
      resources = concat(values(aws_sqs_queue.forward)[*].arn, [var.broadcast.dead_letter_queue.arn])
    }
  })
}

# A queue for each cell says which cell a request is from. One group an inbox, so that its messages are forwarded in order.
resource "aws_sqs_queue" "forward" {
  for_each = local.cells

  name                      = "${var.deployment.prefix}-forward-${each.key}.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 86400
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for.
  visibility_timeout_seconds = 6 * var.functions.forward_message.timeout
}

# Requests that failed for half an hour. The messages are still in their inboxes, and the next request forwards them.
resource "aws_sqs_queue" "forward_failure" {
  count = var.cells == null ? 0 : 1

  name                      = "${var.deployment.prefix}-forward-failure.fifo"
  fifo_queue                = true
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# A request that fails is delivered again after 2 s, 4 s and so on, then every minute. Not for longer than half an hour:
# SQS looks at the first 120,000 messages of a FIFO queue alone, so that those for a cell that is down would hold up all
# others.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html
# Apart from the queue, so that neither waits for the other: the provider watches every change of a queue for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "forward" {
  for_each = local.cells

  queue_url = aws_sqs_queue.forward[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.forward_failure[0].arn
    maxReceiveCount     = 30
  })
}

# One request an invocation: in a batch, other inboxes would wait for the one whose cell does not answer.
resource "aws_lambda_event_source_mapping" "forward_message" {
  for_each = local.cells

  event_source_arn        = aws_sqs_queue.forward[each.key].arn
  function_name           = module.forward_message[0].alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 50
  }
}

# It sends a request that it has no time for to the queue that it reads. Lambda takes that for a loop and would drop the
# message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "forward_message" {
  count = var.cells == null ? 0 : 1

  function_name  = module.forward_message[0].name
  recursive_loop = "Allow"
}
