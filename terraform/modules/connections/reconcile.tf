module "reconcile" {
  source = "../lambda_function"

  name       = "reconcile"
  capability = "connections"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.reconcile

  variables = {
    TENANTS_TABLE                = local.tenants.name
    SESSIONS_TABLE               = local.sessions.name
    CONNECTIONS_TABLE            = local.connections.name
    PARTITIONS_TABLE             = local.partitions.name
    LIMITS_TABLE                 = local.limits.name
    ACCOUNTING_FAILURE_QUEUE_URL = aws_sqs_queue.accounting_failure.url
  }

  statements = {
    ReadTenants = {
      actions   = ["dynamodb:Scan"]
      resources = [local.tenants.arn]
    }
    # GetItem is for the release before, which reads each session's former key: it may still run, or run again after a
    # rollback. It goes in the release after this one.
    EndSessions = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:Scan"]
      resources = [local.sessions.arn]
    }
    # A probe is a row that is put and deleted: its stream record follows all earlier changes.
    EndAndProbeConnections = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"]
      resources = [local.connections.arn]
    }
    RepairCounts = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"]
      resources = [local.partitions.arn]
    }
    RepairTotals = {
      actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      resources = [local.limits.arn]
    }
    ReadFailures = {
      actions   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = [aws_sqs_queue.accounting_failure.arn]
    }
  }
}

resource "aws_cloudwatch_event_rule" "reconcile" {
  name                = "${var.deployment.prefix}-reconcile"
  description         = "Deletes what has expired, repairs counts and totals."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "reconcile" {
  rule = aws_cloudwatch_event_rule.reconcile.name
  arn  = module.reconcile.alias.arn
}

resource "aws_lambda_permission" "reconcile" {
  function_name = module.reconcile.alias.function_name
  qualifier     = module.reconcile.alias.name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.reconcile.arn
}

# The next minute's run is the retry.
resource "aws_lambda_function_event_invoke_config" "reconcile" {
  function_name                = module.reconcile.alias.function_name
  qualifier                    = module.reconcile.alias.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
