mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    accounting = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    reconcile  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
  }
  window_seconds = 1
  tables = {
    connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections", stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/stream/1" }
    partitions  = { name = "partitions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions" }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Changes are counted in order without loss.
  assert {
    condition = (
      aws_lambda_event_source_mapping.accounting.parallelization_factor == 1
      && aws_lambda_event_source_mapping.accounting.starting_position == "TRIM_HORIZON"
      && aws_lambda_event_source_mapping.accounting.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.accounting.function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "The stream must be read from its beginning, in order, and a bad record must not block its neighbours."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.accounting.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.accounting_failure.arn
    error_message = "Records that cannot be counted must be kept for reconcile."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.accounting.maximum_record_age_in_seconds == 3600
    error_message = "Records must be given up after an hour: reconcile assumes that older ones are counted."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.accounting.maximum_retry_attempts == -1
    error_message = "A record must be given up for its age, an hour, and never because it was tried often in a short time."
  }

  assert {
    condition     = aws_lambda_event_source_mapping.accounting.event_source_arn == var.tables.connections.stream_arn
    error_message = "The stream must be that of the rows that are counted."
  }
  assert {
    condition     = aws_cloudwatch_event_rule.reconcile.schedule_expression == "rate(1 minute)"
    error_message = "Counts must be repaired every minute."
  }
}

run "an_instance_for_sessions_may_use_their_tables" {
  command = plan

  variables {
    session_tables = {
      limits   = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
      sessions = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
      tenants  = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
    }
  }

  assert {
    condition = {
      for name, function in output.functions : name => toset([for statement in function.statements : statement.Sid if strcontains(jsonencode(statement.Resource), "table/")])
      } == {
      accounting = toset(["Count", "LeaveSessions", "ListStreams", "ReadStream", "Release"])
      reconcile  = toset(["EndConnections", "EndSessions", "Probe", "ReadTenants", "RepairCounts", "RepairTotals"])
    }
    error_message = "Both functions keep the totals of tenants, and reconcile ends sessions."
  }
}

run "an_instance_without_sessions_may_use_the_two_tables_alone" {
  command = plan

  variables {
    suffix = "members"
  }

  assert {
    condition = {
      for name, function in output.functions : name => toset([for statement in function.statements : statement.Sid if strcontains(jsonencode(statement.Resource), "table/")])
      } == {
      accounting = toset(["Count", "ListStreams", "ReadStream"])
      reconcile  = toset(["EndConnections", "RepairCounts"])
    }
    error_message = "It must have no permission for tables of sessions."
  }
  assert {
    condition = [output.functions.accounting.name, output.functions.reconcile.name, aws_sqs_queue.accounting_failure.name, aws_cloudwatch_event_rule.reconcile.name] == [
      "loudhailer-test-accounting-members", "loudhailer-test-reconcile-members", "loudhailer-test-accounting-members-failure", "loudhailer-test-reconcile-members",
    ]
    error_message = "The suffix must tell it apart from the instance of connections."
  }
}
