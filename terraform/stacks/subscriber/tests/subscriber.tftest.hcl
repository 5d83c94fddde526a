mock_provider "aws" {
  override_during = plan

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:222222222222:log-group:mock" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::222222222222:role/mock" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = { arn = "arn:aws:lambda:us-east-1:222222222222:function:mock:live" }
  }
}

variables {
  cell = {
    prefix      = "loudhailer-dev"
    environment = "dev"
    region      = "us-east-1"
    account_id  = "222222222222"
    role        = { arn = "arn:aws:iam::111111111111:role/loudhailer-dev/loudhailer-dev-subscriber-blue", external_id = "blue-1" }
    shards = {
      shard-0 = {
        url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-dev-shard-0"
        arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-dev-shard-0"
      }
      shard-2 = {
        url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-dev-shard-2"
        arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-dev-shard-2"
      }
    }
    callback_endpoint     = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
    outcome_queue_url     = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-dev-outcome"
    dead_letter_queue_url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-dev-dead-letter"
    lane_posts_per_second = 1633
    lane_shares           = { normal = 0.9, low = 0.1 }
    lanes_table           = "loudhailer-dev-lanes"
    concurrency           = 2
    timeout               = 10
  }
  region          = "us-east-1"
  alarm_topic_arn = "arn:aws:sns:us-east-1:222222222222:alarms"
  package = {
    image = {
      repository_url = "444444444444.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }
}

# `make infrastructure` plans this run, and lets checkov judge every policy in it.
run "the_stack_with_all_its_roles" {
  command = plan

  # The function may only read its shards and assume the cell's role.
  assert {
    condition = {
      for statement in module.post_message.statements : join(" ", statement.Action) => join(" ", statement.Resource)
      if !contains(["WriteLogs", "SendTraces"], statement.Sid)
      } == {
      "sqs:ChangeMessageVisibility sqs:DeleteMessage sqs:GetQueueAttributes sqs:ReceiveMessage" = join(" ", values(var.cell.shards)[*].arn)
      "sts:AssumeRole"                                                                          = var.cell.role.arn
    }
    error_message = "All else it must do in the cell's role."
  }
  assert {
    # The cell's role trusts this name.
    condition     = output.functions == { post_message = "loudhailer-dev-post_message" }
    error_message = "The function and its role must have the name that the cell trusts."
  }

  assert {
    condition     = toset(keys(output.functions)) == toset(["post_message"])
    error_message = "The subscriber must have one function, and so one role."
  }

  # Each shard delivers one chunk at a time to one worker per lane.
  assert {
    condition = { for shard, mapping in aws_lambda_event_source_mapping.post_message : shard => mapping.event_source_arn } == {
      shard-0 = "arn:aws:sqs:us-east-1:111111111111:loudhailer-dev-shard-0"
      shard-2 = "arn:aws:sqs:us-east-1:111111111111:loudhailer-dev-shard-2"
    }
    error_message = "It must read its shards and no others."
  }
  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.post_message :
      mapping.batch_size == 1 && mapping.scaling_config[0].maximum_concurrency == 2
      && mapping.function_response_types == toset(["ReportBatchItemFailures"])
    ])
    error_message = "A lane must have one chunk, and a shard no more workers than its lanes."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.post_message.recursive_loop == "Allow"
    error_message = "Lambda must not take the way back to the shard for a loop."
  }

  # Problems of the function raise an alarm.
  assert {
    condition     = toset(keys(module.alarm)) == toset(["errors", "failures", "throttles"])
    error_message = "Errors, throttles and failed messages must be watched."
  }
}

run "a_subscriber_in_another_region_is_refused" {
  command = plan

  variables {
    region = "eu-central-1"
  }

  expect_failures = [var.region]
}

run "an_account_id_with_11_digits_is_refused" {
  command = plan

  variables {
    cell = merge(var.cell, { account_id = "22222222222" })
  }

  expect_failures = [var.cell]
}

run "a_boundary_in_another_account_is_refused" {
  command = plan

  variables {
    cell = merge(var.cell, { permissions_boundary = "arn:aws:iam::111111111111:policy/ci/loudhailer-dev-boundary" })
  }

  expect_failures = [var.cell]
}

run "a_role_without_an_arn_is_refused" {
  command = plan

  variables {
    cell = merge(var.cell, { role = { arn = "loudhailer-dev-subscriber-blue", external_id = "blue-1" } })
  }

  expect_failures = [var.cell]
}

run "an_endpoint_of_another_host_is_refused" {
  command = plan

  variables {
    cell = merge(var.cell, { callback_endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com.attacker.example/live" })
  }

  expect_failures = [var.cell]
}

run "a_subscriber_without_a_shard_is_refused" {
  command = plan

  variables {
    cell = merge(var.cell, { shards = {} })
  }

  expect_failures = [var.cell]
}

run "shards_in_another_region_are_refused" {
  command = plan

  variables {
    cell = merge(var.cell, {
      shards = {
        shard-0 = {
          url = "https://sqs.eu-central-1.amazonaws.com/111111111111/loudhailer-dev-shard-0"
          arn = "arn:aws:sqs:eu-central-1:111111111111:loudhailer-dev-shard-0"
        }
      }
    })
  }

  expect_failures = [var.cell]
}

run "fewer_reserved_workers_than_lanes_are_refused" {
  command = plan

  variables {
    post_message = { reserved = 3 } # two shards of two workers
  }

  expect_failures = [var.post_message]
}

run "a_quota_of_nine_executions_is_refused" {
  command = plan

  variables {
    lambda_concurrency = 9
  }

  expect_failures = [var.lambda_concurrency]
}

run "more_reserved_workers_than_the_account_has_are_refused" {
  command = plan

  variables {
    post_message       = { reserved = 16 }
    lambda_concurrency = 115
  }

  expect_failures = [var.post_message]
}

run "an_unknown_setting_is_refused" {
  command = plan

  variables {
    deployment = { retention = 30 }
  }

  expect_failures = [var.deployment]
}

run "the_variables_of_earlier_releases_are_refused" {
  command = plan

  variables {
    architecture         = "arm64"
    log_level            = "INFO"
    log_retention_days   = 30
    tracing              = true
    memory               = 1769
    reserved_concurrency = 16
  }

  expect_failures = [
    var.architecture, var.log_level, var.log_retention_days, var.tracing, var.memory, var.reserved_concurrency,
  ]
}
