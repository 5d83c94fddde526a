module "accounting" {
  source = "../lambda_function"

  name       = "accounting"
  capability = "connections"
  suffix     = var.suffix
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.accounting

  variables = {
    PARTITIONS_TABLE = var.tables.partitions.name
    SESSIONS_TABLE   = try(var.session_tables.sessions.name, null)
    LIMITS_TABLE     = try(var.session_tables.limits.name, null)
  }

  statements = merge(local.release, {
    ReadStream = {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [var.tables.connections.stream_arn]
    }
    # The permission to list streams is for the table, not for one stream.
    ListStreams = {
      actions   = ["dynamodb:ListStreams"]
      resources = ["${var.tables.connections.arn}/stream/*"]
    }
    Count = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:UpdateItem"]
      resources = [var.tables.partitions.arn]
    }
    KeepFailures = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.accounting_failure.arn]
    }
  })
}

locals {
  release = {
    for sid, statement in {
      Release = {
        actions   = ["dynamodb:UpdateItem"]
        resources = [try(var.session_tables.limits.arn, null)]
      }
      LeaveSessions = {
        actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PartiQLUpdate", "dynamodb:UpdateItem"]
        resources = [try(var.session_tables.sessions.arn, null)]
      }
    } : sid => statement if var.session_tables != null
  }
}

# Batches that failed for good: `reconcile` recounts their partitions.
resource "aws_sqs_queue" "accounting_failure" {
  name                      = join("-", compact([var.deployment.prefix, "accounting", var.suffix, "failure"]))
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_event_source_mapping" "accounting" {
  event_source_arn                   = var.tables.connections.stream_arn
  function_name                      = module.accounting.alias.arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 1000
  maximum_batching_window_in_seconds = var.window_seconds
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
