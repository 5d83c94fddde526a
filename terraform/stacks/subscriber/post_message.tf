module "post_message" {
  source = "../../modules/lambda_function"

  name       = "post_message"
  capability = "broadcast"
  package    = module.package.package
  deployment = module.deployment.deployment
  settings   = merge(var.post_message, { timeout = var.cell.timeout })

  variables = {
    SHARD_QUEUE_URLS      = jsonencode(values(var.cell.shards)[*].url) # Version 0.2 requires it. Remove it after 0.3.
    CALLBACK_ENDPOINT     = var.cell.callback_endpoint
    OUTCOME_QUEUE_URL     = var.cell.outcome_queue_url
    DEAD_LETTER_QUEUE_URL = var.cell.dead_letter_queue_url
    LANE_KIND             = "normal"
    LANE_POSTS_PER_SECOND = var.cell.lane_posts_per_second
    LANE_SHARES           = jsonencode(var.cell.lane_shares)
    LANES_TABLE           = var.cell.lanes_table
    ASSUME_ROLE_ARN       = var.cell.role.arn
    EXTERNAL_ID           = var.cell.role.external_id
  }

  queues_read = { ReadChunks = values(var.cell.shards)[*].arn }

  statements = {
    ActForTheCell = {
      actions   = ["sts:AssumeRole"]
      resources = [var.cell.role.arn]
    }
  }
}

# It sends what is left of a chunk to the queue that it reads, at most eight times. Lambda takes that for a loop and would
# drop the message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "post_message" {
  function_name  = module.post_message.name
  recursive_loop = "Allow"
}

# As in the cell: one chunk an invocation, and no more invocations than lanes.
resource "aws_lambda_event_source_mapping" "post_message" {
  for_each = var.cell.shards

  event_source_arn        = each.value.arn
  function_name           = module.post_message.alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.cell.concurrency
  }
}
