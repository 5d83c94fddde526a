module "leave_channels" {
  source = "../lambda_function"

  name       = "leave_channels"
  capability = "channels"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.leave_channels

  variables = {
    CONNECTIONS_TABLE     = local.connections.name
    MEMBERS_TABLE         = local.members.name
    SUBSCRIPTIONS_TABLE   = local.subscriptions.name
    LEAVE_QUEUE_URL       = aws_sqs_queue.leave.url
    DEAD_LETTER_QUEUE_URL = aws_sqs_queue.leave_failure.url
  }

  queues_read = { ReadEnds = [aws_sqs_queue.leave.arn] }

  # In its own name, not as one tenant: a crowd of a thousand tenants that ends would need most of what STS takes.
  statements = {
    DeleteConnection = {
      actions   = ["dynamodb:DeleteItem"]
      resources = [local.connections.arn]
    }
    DeleteMembers = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
      resources = [local.members.arn]
    }
    EndSubscriptions = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:Query"]
      resources = [local.subscriptions.arn]
    }
    # Its own queue too: if time runs out, the remaining connections are sent again.
    SendMessages = {
      actions   = ["sqs:SendMessage"]
      resources = [aws_sqs_queue.leave.arn, aws_sqs_queue.leave_failure.arn]
    }
  }
}

# Ends of connections and of subscriptions; some are sent with a delay.
resource "aws_sqs_queue" "leave" {
  name                      = "${var.deployment.prefix}-leave"
  message_retention_seconds = 86400
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for.
  visibility_timeout_seconds = 6 * var.functions.leave_channels.timeout
}

# Members of connections that could not be ended: they expire, or are found by a 410.
resource "aws_sqs_queue" "leave_failure" {
  name                      = "${var.deployment.prefix}-leave-failure"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# Apart from the queues, so that none waits for another: the provider watches every change of a queue for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "leave" {
  queue_url = aws_sqs_queue.leave.url
  redrive_policy = jsonencode({
    deadLetterTargetArn = aws_sqs_queue.leave_failure.arn
    maxReceiveCount     = 10
  })
}

# It sends connections that it has no time for to the queue that it reads; each time one of them is ended. Lambda takes that
# for a loop and would drop them: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "leave_channels" {
  function_name  = module.leave_channels.name
  recursive_loop = "Allow"
}

# A crowd that ends together takes no more concurrency than this.
resource "aws_lambda_event_source_mapping" "leave_channels" {
  event_source_arn        = aws_sqs_queue.leave.arn
  function_name           = module.leave_channels.alias.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}
