# Queues of one kind of work: each with the mapping that reads it, and the queue in which what cannot be handled ends.

locals {
  suffix = var.fifo ? ".fifo" : ""
}

# In a FIFO queue, order, and what counts as a duplicate, are a matter of one group, so that groups do not share a throughput:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
resource "aws_sqs_queue" "this" {
  for_each = var.names

  name                      = "${var.prefix}-${each.key}${local.suffix}"
  fifo_queue                = var.fifo
  deduplication_scope       = var.fifo ? "messageGroup" : null
  fifo_throughput_limit     = var.fifo ? "perMessageGroupId" : null
  message_retention_seconds = var.retention_seconds
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for: a batch that Lambda throttles is retried while it is invisible.
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  visibility_timeout_seconds = 6 * var.timeout
}

# Kept as long as AWS allows, for an operator. That of FIFO queues must be one, too.
resource "aws_sqs_queue" "failure" {
  count = var.failure == null ? 0 : 1

  name                      = "${var.prefix}-${var.failure.name}${local.suffix}"
  fifo_queue                = var.fifo
  deduplication_scope       = var.fifo ? "messageGroup" : null
  fifo_throughput_limit     = var.fifo ? "perMessageGroupId" : null
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Apart from the queues, so that none waits for another: the provider watches every change of a queue for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "this" {
  for_each = { for key, queue in aws_sqs_queue.this : key => queue.url if var.failure != null }

  queue_url = each.value
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.failure[0].arn
    maxReceiveCount     = var.failure.receives
  })
}

# No batching window: something waits for each message. A function that fails for some messages of a batch names them, and
# only those are received again.
resource "aws_lambda_event_source_mapping" "this" {
  for_each = aws_sqs_queue.this

  event_source_arn        = each.value.arn
  function_name           = var.readers[each.key]
  batch_size              = var.batch_size
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.maximum_concurrency
  }
}
