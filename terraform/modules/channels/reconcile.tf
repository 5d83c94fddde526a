module "reconcile_members" {
  source = "../lambda_function"

  name       = "reconcile"
  capability = "connections"
  suffix     = "members"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions["reconcile-members"]

  variables = {
    CONNECTIONS_TABLE            = local.members.name
    PARTITIONS_TABLE             = local.audiences.name
    ACCOUNTING_FAILURE_QUEUE_URL = aws_sqs_queue.accounting_failure.url
  }

  statements = {
    EndMembers = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:Query"]
      resources = [local.members.arn]
    }
    RepairCounts = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"]
      resources = [local.audiences.arn]
    }
    ReadFailures = {
      actions   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = [aws_sqs_queue.accounting_failure.arn]
    }
  }
}

resource "aws_cloudwatch_event_rule" "reconcile" {
  name                = "${var.deployment.prefix}-reconcile-members"
  description         = "Deletes members that have expired, and repairs their counts."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "reconcile" {
  rule = aws_cloudwatch_event_rule.reconcile.name
  arn  = module.reconcile_members.alias.arn
}

resource "aws_lambda_permission" "reconcile" {
  function_name = module.reconcile_members.alias.function_name
  qualifier     = module.reconcile_members.alias.name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.reconcile.arn
}

# The next minute's run is the retry.
resource "aws_lambda_function_event_invoke_config" "reconcile" {
  function_name                = module.reconcile_members.alias.function_name
  qualifier                    = module.reconcile_members.alias.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
