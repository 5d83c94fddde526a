# A function that fails for some records of a batch names them, and only those are tried again. No queue may take all of the
# account's concurrency: those who connect need it.

resource "aws_lambda_event_source_mapping" "swarm" {
  event_source_arn        = aws_sqs_queue.work["broadcast"].arn
  function_name           = var.consumers.swarm
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}

resource "aws_lambda_event_source_mapping" "query" {
  event_source_arn        = aws_sqs_queue.work["partition"].arn
  function_name           = var.consumers.query
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  # Chunks are found many times faster than they are posted. More at once would write more than the table takes.
  scaling_config {
    maximum_concurrency = var.query_concurrency
  }
}

# One chunk an invocation, and no more invocations than lanes: a lane's rate is the account's divided by the lanes.
resource "aws_lambda_event_source_mapping" "post_message" {
  for_each = setsubtract(local.shards, [for shard, subscriber in local.claims : shard if !subscriber.shared])

  event_source_arn        = aws_sqs_queue.work[each.key].arn
  function_name           = var.consumers.post_message
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.shards.concurrency
  }
}

# Messages to large rooms wait in a queue of their own, and its workers are not those of the shards: no broadcast stands
# behind it. AWS allows no fewer than two.
resource "aws_lambda_event_source_mapping" "rooms" {
  event_source_arn        = aws_sqs_queue.work["rooms"].arn
  function_name           = var.consumers.rooms
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = local.room_workers
  }
}

# Outcomes are gathered for a second: nobody waits for them but the report, and ten together cost little more than one.
resource "aws_lambda_event_source_mapping" "settle" {
  for_each = toset(["outcome", "undelivered"])

  event_source_arn                   = aws_sqs_queue.work[each.key].arn
  function_name                      = var.consumers.settle
  batch_size                         = 10
  maximum_batching_window_in_seconds = local.gathering_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}
