module "settle" {
  source = "../lambda_function"

  name       = "settle"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.settle

  variables = {
    BROADCASTS_TABLE      = local.broadcasts.name
    CONNECTIONS_TABLE     = local.connections.name
    UNDELIVERED_QUEUE_ARN = local.queues["undelivered"].arn
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    OUTCOME_QUEUE_URL     = local.queues["outcome"].url
    LEAVE_QUEUE_URL       = var.leave_queue.url
  }

  queues_read = { ReadOutcomes = [local.queues["outcome"].arn, local.queues["undelivered"].arn] }

  statements = {
    Tally = {
      actions = [
        "dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem",
      ]
      resources = [local.broadcasts.arn]
    }
    DeleteStale = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
      resources = [local.connections.arn]
    }
    # Members of channels whose connections are gone.
    EndConnections = {
      actions   = ["sqs:SendMessage"]
      resources = [var.leave_queue.arn]
    }
    # Outcomes too: if time runs out, the remaining ones are sent again.
    SendMessages = {
      actions   = ["sqs:SendMessage"]
      resources = [local.queues["outcome"].arn, local.queues["dead-letter"].arn]
    }
  }
}

# It sends outcomes that it has no time for to the queue that it reads; each time one chunk of the batch is settled. Lambda
# takes that for a loop and would drop them: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "settle" {
  function_name  = module.settle.name
  recursive_loop = "Allow"
}

# Outcomes are gathered for a second: nobody waits for them but the report, and ten together cost little more than one.
resource "aws_lambda_event_source_mapping" "settle" {
  for_each = toset(["outcome", "undelivered"])

  event_source_arn                   = aws_sqs_queue.work[each.key].arn
  function_name                      = module.settle.alias.arn
  batch_size                         = 10
  maximum_batching_window_in_seconds = local.gathering_seconds
  function_response_types            = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}
