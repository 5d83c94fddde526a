# Queues of frames that must be handled in order: one for each tenant with a silo, and one for all others.

locals {
  queues = merge({ pooled = null }, { for tenant in var.settings.silo_tenants : "silo-${tenant}" => tenant })
}

# Order, and what counts as a duplicate, are a matter of one session, so that sessions do not share a throughput:
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/high-throughput-fifo.html
resource "aws_sqs_queue" "this" {
  for_each = local.queues

  name                      = "${var.deployment.prefix}-${each.key}.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 86400
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for: a batch that Lambda throttles is retried while it is invisible.
  visibility_timeout_seconds = 6 * var.functions.echo.timeout
}

# Frames that could not be handled, kept for an operator. A FIFO queue's must be one, too.
resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.deployment.prefix}-dead-letter.fifo"
  fifo_queue                = true
  deduplication_scope       = "messageGroup"
  fifo_throughput_limit     = "perMessageGroupId"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Apart from the queues, so that none waits for another: the provider watches every change of a queue for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "this" {
  for_each = local.queues

  queue_url = aws_sqs_queue.this[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.dead_letter.arn
    maxReceiveCount     = var.max_receive_count
  })
}
