mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:mock" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/mock" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = {
      arn        = "arn:aws:lambda:us-east-1:111111111111:function:mock:live"
      invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/mock"
    }
  }

  mock_resource "aws_cloudwatch_event_rule" {
    defaults = { arn = "arn:aws:events:us-east-1:111111111111:rule/mock" }
  }

  mock_resource "aws_dynamodb_table" {
    defaults = {
      arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/mock"
      stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/mock/stream/1"
    }
  }

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111111111111:mock" }
  }

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:us-east-1:111111111111:mock"
      url = "https://sqs.us-east-1.amazonaws.com/111111111111/mock"
    }
  }

  mock_data "aws_caller_identity" {
    defaults = { account_id = "111111111111" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "us-east-1" }
  }
}

override_resource {
  target          = module.connection_store.aws_dynamodb_table.connections
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/connections"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/stream/1"
  }
}

override_resource {
  target          = module.connection_store.aws_dynamodb_table.partitions
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions/stream/1"
  }
}

override_resource {
  target          = module.tenancy.aws_dynamodb_table.tenants
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants/stream/1"
  }
}

override_resource {
  target          = module.tenancy.aws_dynamodb_table.sessions
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions/stream/1"
  }
}

override_resource {
  target          = module.tenancy.aws_dynamodb_table.limits
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/limits"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits/stream/1"
  }
}

override_resource {
  target          = module.broadcast.aws_dynamodb_table.broadcasts
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts/stream/1"
  }
}

variables {
  deployment = { prefix = "loudhailer-test", environment = "test" }
  package = {
    image = {
      repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }
}

run "only_those_write_connections_whose_work_it_is" {
  command = plan

  assert {
    condition = {
      for action in ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem"] : action => join(" ", [
        for name, function in local.functions : name
        if anytrue([
          for statement in function.role.policy.Statement : contains(statement.Action, "dynamodb:${action}")
          if contains(statement.Resource, "arn:aws:dynamodb:us-east-1:111111111111:table/connections")
        ])
      ])
      } == {
      PutItem        = "connect"
      UpdateItem     = ""
      DeleteItem     = "connect disconnect reconcile settle"
      BatchWriteItem = ""
    }
    error_message = "Only connect may record a connection; only connect, disconnect, reconcile and settle may delete one."
  }
}

run "only_post_message_may_post_and_only_to_its_cell" {
  command = plan

  assert {
    condition = {
      for name, function in local.functions : name => flatten([
        for statement in function.role.policy.Statement : statement.Resource if strcontains(join(" ", statement.Action), "execute-api:")
      ])[0]
      if strcontains(jsonencode(function.role.policy), "execute-api:")
      } == {
      post_message = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/POST/@connections/*"
    }
    error_message = "post_message may post to this cell's connections, and no other function to any."
  }
}

run "no_function_may_do_everything_or_on_everything" {
  command = plan

  assert {
    condition = !anytrue(flatten([
      for function in local.functions : [
        for statement in function.role.policy.Statement :
        strcontains(join(" ", statement.Action), "*") || contains(statement.Resource, "*") && statement.Sid != "SendTraces"
      ]
    ]))
    error_message = "Actions and resources must be exact."
  }
}

run "changes_of_a_partition_are_counted_in_order" {
  command = plan

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
    error_message = "What cannot be counted must be kept for reconcile."
  }
}

run "lanes_share_the_quota_and_leave_headroom" {
  command = plan

  variables {
    quota  = { posts_per_second = 10000, headroom = 0.98 }
    shards = { count = 10, concurrency = 2 }
  }

  assert {
    condition     = local.lane_posts_per_second == 490
    error_message = "Twenty lanes must share 9,800 posts per second."
  }
}

run "clients_may_use_a_fifth_of_the_quota" {
  command = plan

  variables {
    quota = { posts_per_second = 20000, burst = 5000 }
  }

  assert {
    condition     = local.inbound == { rate = 4000, burst = 1000 }
    error_message = "The stage must be throttled to a fifth of the quota."
  }
}

run "more_lanes_than_posts_are_refused" {
  command = plan

  variables {
    quota  = { posts_per_second = 100 }
    shards = { count = 100, concurrency = 2 }
  }

  expect_failures = [var.shards]
}

run "what_the_design_does_not_allow_is_refused" {
  command = plan

  variables {
    chunk_size           = 501                      # no more ids fit beside the data
    timeouts             = { post_message = 30 }    # what is left goes back after ten seconds
    reserved_concurrency = { post-message = 16 }    # no function has this name
    partitions           = { max_partitions = 1e5 } # a partition's number has five digits
    accounting_window    = 60
  }

  expect_failures = [
    var.chunk_size, var.timeouts, var.reserved_concurrency, var.partitions, var.accounting_window,
  ]
}

run "a_worker_may_send_back_what_is_left_of_a_chunk" {
  command = plan

  assert {
    condition     = aws_lambda_function_recursion_config.post_message.recursive_loop == "Allow"
    error_message = "Lambda must not take the way back to the shard for a loop."
  }
}
