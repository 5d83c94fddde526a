module "end_session" {
  source = "../lambda_function"

  name       = "end_session"
  capability = "sessions"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.end_session

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
  }

  statements = {
    ReadStream = {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [local.sessions.stream_arn]
    }
    # The permission to list streams is for the table, not for one stream.
    ListStreams = {
      actions   = ["dynamodb:ListStreams"]
      resources = ["${local.sessions.arn}/stream/*"]
    }
    Close = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.close_arn]
    }
    KeepFailures = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.end_session_failure.arn]
    }
  }

  tenant_statements = {
    EndConnections = {
      actions      = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }
}

# Notices of records that were given up: the connections of these sessions stay until they close or expire.
resource "aws_sqs_queue" "end_session_failure" {
  name                      = "${var.deployment.prefix}-end-session-failure"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Sessions end in any order, so their records are processed in parallel; the records of one session stay in order.
resource "aws_lambda_event_source_mapping" "end_session" {
  event_source_arn               = local.sessions.stream_arn
  function_name                  = module.end_session.alias.arn
  starting_position              = "TRIM_HORIZON"
  batch_size                     = 100
  maximum_retry_attempts         = -1 # until a record is too old
  maximum_record_age_in_seconds  = 3600
  bisect_batch_on_function_error = true
  function_response_types        = ["ReportBatchItemFailures"]
  parallelization_factor         = 2

  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["REMOVE"] })
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.end_session_failure.arn
    }
  }
}
