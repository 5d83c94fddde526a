module "reconcile" {
  source = "../lambda_function"

  name       = "reconcile"
  capability = "connections"
  suffix     = var.suffix
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.reconcile

  variables = {
    CONNECTIONS_TABLE            = var.tables.connections.name
    PARTITIONS_TABLE             = var.tables.partitions.name
    TENANTS_TABLE                = try(var.session_tables.tenants.name, null)
    SESSIONS_TABLE               = try(var.session_tables.sessions.name, null)
    LIMITS_TABLE                 = try(var.session_tables.limits.name, null)
    ACCOUNTING_FAILURE_QUEUE_URL = aws_sqs_queue.accounting_failure.url
  }

  statements = merge(local.repair_totals, {
    EndConnections = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:Query"]
      resources = [var.tables.connections.arn]
    }
    RepairCounts = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:UpdateItem"]
      resources = [var.tables.partitions.arn]
    }
    ReadFailures = {
      actions   = ["sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = [aws_sqs_queue.accounting_failure.arn]
    }
  })
}

locals {
  repair_totals = {
    for sid, statement in {
      ReadTenants = {
        actions   = ["dynamodb:Scan"]
        resources = [try(var.session_tables.tenants.arn, null)]
      }
      # GetItem is for the release before, which reads each session's former key: it may still run, or run again after a
      # rollback. It goes in the release after this one.
      EndSessions = {
        actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:Scan"]
        resources = [try(var.session_tables.sessions.arn, null)]
      }
      # A probe is a row that is put and deleted: its stream record follows all earlier changes.
      Probe = {
        actions   = ["dynamodb:PutItem"]
        resources = [var.tables.connections.arn]
      }
      RepairTotals = {
        actions   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
        resources = [try(var.session_tables.limits.arn, null)]
      }
    } : sid => statement if var.session_tables != null
  }
}

resource "aws_cloudwatch_event_rule" "reconcile" {
  name                = join("-", compact([var.deployment.prefix, "reconcile", var.suffix]))
  description         = "Deletes what has expired, and repairs counts."
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
