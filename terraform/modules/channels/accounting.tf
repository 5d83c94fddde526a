module "accounting_members" {
  source = "../lambda_function"

  name       = "accounting"
  capability = "connections"
  suffix     = "members"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions["accounting-members"]

  variables = {
    PARTITIONS_TABLE = local.audiences.name
  }

  statements = {
    ReadStream = {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [local.members.stream_arn]
    }
    # Listing knows the table's streams, not one of them.
    ListStreams = {
      actions   = ["dynamodb:ListStreams"]
      resources = ["${local.members.arn}/stream/*"]
    }
    Count = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
      resources = [local.audiences.arn]
    }
    KeepFailures = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.accounting_failure.arn]
    }
  }
}

# Batches that failed for good: `reconcile-members` recounts its partitions.
resource "aws_sqs_queue" "accounting_failure" {
  name                      = "${var.deployment.prefix}-accounting-members-failure"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "accounting" {
  event_source_arn                   = local.members.stream_arn
  function_name                      = module.accounting_members.alias.arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 1000
  maximum_batching_window_in_seconds = var.settings.accounting_window
  maximum_retry_attempts             = -1   # until a record is too old
  maximum_record_age_in_seconds      = 3600 # QUIET_SECONDS of `reconcile` is longer
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]
  parallelization_factor             = 1

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.accounting_failure.arn
    }
  }

  lifecycle {
    postcondition {
      condition     = self.parallelization_factor == 1
      error_message = "The parallelization factor must be 1: counting needs the changes of a partition in order."
    }
  }
}
