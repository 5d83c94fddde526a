# A function that fails for some records of a batch names them, and only those are tried again.
resource "aws_lambda_event_source_mapping" "this" {
  for_each = local.queues

  event_source_arn        = aws_sqs_queue.this[each.key].arn
  function_name           = var.consumers[each.key]
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  # Batches of ten: enough for thousands of frames a second, and a small part of the account's concurrency for each tenant.
  scaling_config {
    maximum_concurrency = 50
  }
}
