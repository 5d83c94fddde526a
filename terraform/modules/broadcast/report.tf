# In a further cell: it reports its part of the hub's broadcasts to the hub whenever their rows change.

module "report" {
  source = "../lambda_function"
  count  = var.hub == null ? 0 : 1

  name       = "report"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.report

  variables = {
    CELL_NAME            = var.hub.name
    BROADCASTS_TABLE     = local.broadcasts.name
    HUB_ROLE_ARN         = var.hub.role.arn
    HUB_EXTERNAL_ID      = var.hub.role.external_id
    HUB_REGION           = var.hub.hub_region
    HUB_BROADCASTS_TABLE = var.hub.tables.broadcasts
  }

  statements = {
    ReadStream = {
      actions   = ["dynamodb:DescribeStream", "dynamodb:GetRecords", "dynamodb:GetShardIterator"]
      resources = [local.broadcasts.stream_arn]
    }
    # The permission to list streams is for the table, not for one stream.
    ListStreams = {
      actions   = ["dynamodb:ListStreams"]
      resources = ["${local.broadcasts.arn}/stream/*"]
    }
    ReadBroadcasts = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [local.broadcasts.arn]
    }
    TakeVersion = {
      actions   = ["dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    ActInTheHub = {
      actions   = ["sts:AssumeRole"]
      resources = [var.hub.role.arn]
    }
    KeepFailures = {
      actions   = ["sqs:SendMessage"]
      resources = aws_sqs_queue.report_failure[*].arn
    }
  }
}

# Notices of records that were given up: the hub's report of these broadcasts lacks the last changes, and names the cell in `waitingFor`.
resource "aws_sqs_queue" "report_failure" {
  count = var.hub == null ? 0 : 1

  name                      = "${var.deployment.prefix}-report-failure"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Chunks are not looked at: they are most of the rows, and each is followed by its source's or its tally's. Expired rows
# are not looked at, either: the sum of the remaining rows would have the highest version.
resource "aws_lambda_event_source_mapping" "report" {
  count = var.hub == null ? 0 : 1

  event_source_arn                   = local.broadcasts.stream_arn
  function_name                      = module.report[0].alias.arn
  starting_position                  = "TRIM_HORIZON"
  batch_size                         = 1000
  maximum_batching_window_in_seconds = 1
  maximum_retry_attempts             = -1 # until a record is too old
  maximum_record_age_in_seconds      = 86400
  bisect_batch_on_function_error     = true
  function_response_types            = ["ReportBatchItemFailures"]

  filter_criteria {
    filter {
      pattern = jsonencode({ eventName = ["INSERT", "MODIFY"], dynamodb = { Keys = { part = { S = ["summary"] } } } })
    }
    filter {
      pattern = jsonencode({ eventName = ["INSERT", "MODIFY"], dynamodb = { Keys = { part = { S = [{ prefix = "source#" }] } } } })
    }
    filter {
      pattern = jsonencode({ eventName = ["INSERT", "MODIFY"], dynamodb = { Keys = { part = { S = [{ prefix = "tally#" }] } } } })
    }
  }

  destination_config {
    on_failure {
      destination_arn = aws_sqs_queue.report_failure[0].arn
    }
  }
}
