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
  target          = module.connection_store.aws_dynamodb_table.devices
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/devices"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices/stream/1"
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

override_resource {
  target          = module.broadcast.aws_dynamodb_table.lanes
  override_during = plan
  values = {
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/lanes"
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

run "every_function_may_do_its_work_and_no_more" {
  command = plan

  assert {
    condition = {
      for action in ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate"] : action => join(" ", [
        for name, function in local.functions : name
        if anytrue([
          for statement in function.statements : contains(statement.Action, "dynamodb:${action}")
          if contains(statement.Resource, "arn:aws:dynamodb:us-east-1:111111111111:table/connections")
        ])
      ])
      } == {
      PutItem        = "connect reconcile"
      UpdateItem     = "join_room"
      DeleteItem     = "connect disconnect echo end_session join_room presence reconcile relay_message send_message settle"
      BatchWriteItem = ""
      PartiQLDelete  = "disconnect settle"
      PartiQLInsert  = ""
      PartiQLUpdate  = ""
    }
    error_message = "Only connect may record a connection, only reconcile put a probe beside, only join_room change it; and only those delete one that learn of its end."
  }
  assert {
    condition = {
      for name, function in local.functions : name => [
        for resource in flatten([
          for statement in function.role.policy.Statement : statement.Resource if strcontains(join(" ", statement.Action), "execute-api:")
        ]) : trimprefix(resource, "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/")
      ]
      if strcontains(jsonencode(function.role.policy), "execute-api:")
      } == {
      connect            = ["GET/@connections/*"]
      disconnect         = ["DELETE/@connections/*"]
      join_room          = ["POST/@connections/*"]
      send_message       = ["POST/@connections/*"]
      presence           = ["POST/@connections/*"]
      relay_message      = ["POST/@connections/*", "DELETE/@connections/*"]
      post_message       = ["POST/@connections/*", "DELETE/@connections/*"]
      post_message-rooms = ["POST/@connections/*", "DELETE/@connections/*"]
      echo               = ["POST/@connections/*", "DELETE/@connections/*"]
      end_session        = ["DELETE/@connections/*"]
    }
    error_message = "join_room, send_message, presence, relay_message, post_message and echo may post to this cell's connections, relay_message, post_message, echo, disconnect and end_session may close them, and no other function may do anything to any."
  }
  assert {
    condition = sort([for name, function in local.functions : name if function.tenant_role != null]) == tolist([
      "default_route", "echo", "end_session", "join_room", "presence", "relay_message", "send_message",
    ])
    error_message = "Functions that act for one tenant at a time must have a role for it, and no others."
  }
  assert {
    condition = alltrue(flatten([
      for function in local.functions : [
        for statement in function.role.policy.Statement : statement.Resource == tolist([local.broadcasts.arn])
        if anytrue([for action in statement.Action : can(regex("^dynamodb:(.*Item|Query|Scan)$", action))])
      ] if function.tenant_role != null
    ]))
    error_message = "Such a function must reach no table as itself, but that of broadcasts, which are no tenant's."
  }
  assert {
    condition = !anytrue(flatten([
      for function in local.functions : [
        for statement in function.statements : contains(statement.Resource, local.broadcasts.arn)
        if can(statement.Condition.Null["dynamodb:LeadingKeys"])
      ]
    ]))
    error_message = "No tenant may reach broadcasts."
  }
  assert {
    condition = !anytrue(flatten([
      for function in local.functions : [
        for statement in function.statements :
        strcontains(join(" ", statement.Action), "*") || contains(statement.Resource, "*") && statement.Sid != "SendTraces"
      ]
    ]))
    error_message = "Actions and resources must be exact."
  }
  assert {
    condition = join(" ", sort([
      for name, function in local.functions : name
      if anytrue([for statement in function.statements : contains(statement.Action, "dynamodb:DeleteItem") && contains(statement.Resource, local.sessions.arn)])
    ])) == "connect default_route echo join_room reconcile send_message"
    error_message = "Those who count a session's attempts must be able to end it, and few others."
  }
  assert {
    condition = jsonencode({
      for name, function in local.functions : name => [
        for statement in function.statements : [
          [for action in statement.Action : action if strcontains(action, "PartiQL")], statement.Resource
        ] if strcontains(join(" ", statement.Action), "PartiQL")
      ]
      if strcontains(jsonencode(function.statements), "PartiQL")
      }) == jsonencode({
      accounting = [[["dynamodb:PartiQLUpdate"], [local.sessions.arn]]]
      disconnect = [[["dynamodb:PartiQLDelete"], [local.connections.arn]]]
      settle     = [[["dynamodb:PartiQLDelete"], [local.connections.arn]]]
    })
    error_message = "PartiQL may only have accounting change sessions, and disconnect and settle delete connections."
  }
  assert {
    condition = jsonencode([
      for name in ["post_message", "post_message-rooms"] : [
        for statement in local.functions[name].role.policy.Statement : statement.Resource if statement.Sid == "ReadChunks"
      ]
    ]) == jsonencode([[local.shards[*].arn], [[local.queues["rooms"].arn]]])
    error_message = "Neither worker may read the other's queues."
  }
  assert {
    condition = {
      for name, function in local.functions : name => flatten([
        for statement in function.statements : statement.Action if contains(statement.Resource, local.lanes.arn)
      ])
      if anytrue([for statement in function.statements : contains(statement.Resource, local.lanes.arn)])
      } == {
      query              = ["dynamodb:UpdateItem"]
      post_message       = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      post_message-rooms = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    }
    error_message = "query marks lanes, workers read the marks too, and nobody else has any business there."
  }
}

run "connect_and_disconnect_reach_rows_in_their_own_name" {
  command = plan

  assert {
    condition = {
      for name in ["connect", "disconnect"] : name => {
        for statement in local.functions[name].role.policy.Statement :
        trimprefix(one(statement.Resource), "arn:aws:dynamodb:us-east-1:111111111111:table/") => join(" ", statement.Action)
        if anytrue([for action in statement.Action : startswith(action, "dynamodb:")])
      }
      } == {
      connect = {
        connections = "dynamodb:BatchGetItem dynamodb:DeleteItem dynamodb:PutItem"
        devices     = "dynamodb:PutItem"
        limits      = "dynamodb:UpdateItem"
        sessions    = "dynamodb:DeleteItem dynamodb:GetItem dynamodb:UpdateItem"
      }
      disconnect = {
        connections = "dynamodb:DeleteItem dynamodb:PartiQLDelete"
      }
    }
    error_message = "connect and disconnect must have exact actions on exact tables, and no query or scan that finds keys."
  }
  assert {
    condition     = !anytrue([for name in ["connect", "disconnect"] : strcontains(jsonencode(local.functions[name].role.policy), "sts:")])
    error_message = "connect and disconnect must assume no role: STS answers 600 calls a second for an account."
  }
}

run "the_former_release_keeps_its_roles_while_it_runs" {
  command = plan

  variables {
    former_release = true
  }

  assert {
    condition     = alltrue([for name in ["connect", "disconnect"] : local.functions[name].tenant_role != null])
    error_message = "Functions that run until the release has shifted must be able to assume their roles."
  }
}

run "a_tenant_reaches_its_sessions_under_both_keys" {
  command = plan

  assert {
    condition = toset(flatten([
      for function in local.functions : [
        for statement in function.statements : statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        if contains(statement.Resource, local.sessions.arn) && can(statement.Condition["ForAllValues:StringLike"])
      ]
    ])) == toset(["$${aws:PrincipalTag/tenantId}#*", "$${aws:PrincipalTag/tenantId}"])
    error_message = "A tenant's roles must reach {tenantId}#* and {tenantId} in the table of sessions, and nothing else."
  }
}

run "records_and_messages_are_read_in_order_and_none_is_lost" {
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
  assert {
    condition = alltrue([
      for mapping in concat(
        values(aws_lambda_event_source_mapping.presence),
        [aws_lambda_event_source_mapping.accounting, aws_lambda_event_source_mapping.end_session],
      ) : mapping.maximum_retry_attempts == -1 && mapping.maximum_record_age_in_seconds == 3600
    ])
    error_message = "A record must be given up for its age, an hour, and never because it was tried often in a short time."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.accounting.maximum_record_age_in_seconds == 3600
    error_message = "What is not counted within an hour must be given up: reconcile takes an older record for counted."
  }
  assert {
    condition = {
      for table, mapping in aws_lambda_event_source_mapping.presence : table => [
        for filter in one(mapping.filter_criteria).filter : jsondecode(filter.pattern)
      ]
      } == {
      connections = [
        { eventName = ["INSERT"], dynamodb = { NewImage = { playerId = { S = [{ exists = true }] } } } },
        { eventName = ["MODIFY", "REMOVE"], dynamodb = { OldImage = { roomKey = { S = [{ exists = true }] } } } },
      ]
      messages = [{ eventName = ["INSERT"] }]
    }
    error_message = "New connections of players, changes of those in rooms, and new messages must be read, and nothing else."
  }
  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.presence :
      mapping.starting_position == "TRIM_HORIZON" && mapping.maximum_batching_window_in_seconds == 0
      && mapping.function_response_types == toset(["ReportBatchItemFailures"])
      && mapping.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.presence_failure.arn
    ])
    error_message = "No record may wait for others or be lost without a trace."
  }
  assert {
    condition = (
      aws_sqs_queue.inbox.fifo_throughput_limit == "perMessageGroupId"
      && aws_sqs_queue.inbox.deduplication_scope == "messageGroup"
      && aws_lambda_event_source_mapping.relay_message.batch_size == 1
    )
    error_message = "Groups must go side by side, one wake an invocation."
  }
  assert {
    condition     = aws_sqs_queue.inbox.visibility_timeout_seconds == 6 * local.timeouts.relay_message
    error_message = "A wake must stay invisible for six times the function's timeout."
  }
  assert {
    condition     = aws_sqs_queue.inbox_failure.fifo_queue && jsondecode(aws_sqs_queue_redrive_policy.inbox.redrive_policy).deadLetterTargetArn == aws_sqs_queue.inbox_failure.arn
    error_message = "The dead-letter queue of a FIFO queue must be one too."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.relay_message.recursive_loop == "Allow"
    error_message = "Lambda must not take a wake that is handed on for a loop."
  }
  assert {
    condition = (
      [for filter in one(aws_lambda_event_source_mapping.end_session.filter_criteria).filter : jsondecode(filter.pattern)] == [{ eventName = ["REMOVE"] }]
      && aws_lambda_event_source_mapping.end_session.starting_position == "TRIM_HORIZON"
      && aws_lambda_event_source_mapping.end_session.bisect_batch_on_function_error
      && aws_lambda_event_source_mapping.end_session.function_response_types == toset(["ReportBatchItemFailures"])
    )
    error_message = "Removed sessions must be read from the stream's beginning, and a bad record must not block its neighbours."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.end_session.destination_config[0].on_failure[0].destination_arn == aws_sqs_queue.end_session_failure.arn
    error_message = "Sessions whose connections cannot be closed must be told."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.post_message.recursive_loop == "Allow" && aws_lambda_function_recursion_config.post_message_rooms.recursive_loop == "Allow"
    error_message = "Lambda must not take the way back to the shard for a loop."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.settle.recursive_loop == "Allow"
    error_message = "Lambda must not take the way back to the queue of outcomes for a loop."
  }
}

run "lanes_share_the_quota_and_leave_headroom" {
  command = plan

  variables {
    quota  = { posts_per_second = 10000, headroom = 0.98 }
    shards = { count = 10, concurrency = 2 }
  }

  assert {
    condition     = local.lane_posts_per_second == 441
    error_message = "Twenty lanes must share 8,820 posts per second."
  }
  assert {
    condition     = local.room_lane_posts_per_second == 490
    error_message = "The two lanes of large rooms must share the other 980."
  }
}

run "all_lanes_together_keep_to_the_quota" {
  command = plan

  variables {
    quota  = { posts_per_second = 30000, headroom = 0.9, rooms = 0.3 }
    shards = { count = 3, concurrency = 4 }
  }

  assert {
    condition     = local.lane_posts_per_second * 12 + local.room_lane_posts_per_second * 2 == 27000
    error_message = "Lanes of shards and of large rooms must share what the quota leaves to posts."
  }
  assert {
    condition     = local.lane_shares == { normal = 0.7, low = 0.3 }
    error_message = "Each kind of lanes must know what share is its own."
  }
}

run "a_small_quota_leaves_large_rooms_a_post_a_second" {
  command = plan

  variables {
    quota  = { posts_per_second = 40, rooms = 0.01 }
    shards = { count = 2 }
  }

  assert {
    condition     = local.room_lane_posts_per_second == 1
    error_message = "A lane without a rate would never post."
  }
}

run "what_is_just_out_of_bounds_is_refused" {
  command = plan

  variables {
    session_share = 0
    quota         = { rooms = 0 }
    timeouts      = { send_message = 15 } # two attempts of a message would be at work together
  }

  expect_failures = [var.session_share, var.quota, var.timeouts]
}

run "fewer_than_two_workers_of_large_rooms_are_refused" {
  command = plan

  variables {
    reserved_concurrency = { post_message-rooms = 1 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "clients_may_use_a_fifth_of_the_quota" {
  command = plan

  variables {
    quota = { posts_per_second = 20000, burst = 5000 }
  }

  assert {
    condition     = local.inbound == { rate = 4000, burst = 1000 }
    error_message = "Clients must get a fifth of the quota."
  }
}

run "more_lanes_than_posts_are_refused" {
  command = plan

  variables {
    quota  = { posts_per_second = 32 }
    shards = { count = 32, concurrency = 2 }
  }

  expect_failures = [var.shards]
}

run "a_lane_without_a_worker_is_refused" {
  command = plan

  variables {
    shards               = { count = 8, concurrency = 2 }
    reserved_concurrency = { post_message = 15 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "a_reserved_connect_without_a_reserved_authorizer_is_refused" {
  command = plan

  variables {
    reserved_concurrency = { connect = 100 }
  }

  expect_failures = [var.reserved_concurrency]
}

run "each_of_the_two_that_post_has_a_concurrency_of_its_own" {
  command = plan

  variables {
    reserved_concurrency    = { post_message = 16, post_message-rooms = 2 }
    provisioned_concurrency = { post_message-rooms = 1 }
  }

  assert {
    condition = (
      jsonencode(module.post_message.concurrency) == jsonencode({ reserved = 16, provisioned = null })
      && jsonencode(module.post_message_rooms.concurrency) == jsonencode({ reserved = 2, provisioned = 1 })
    )
    error_message = "The workers of large rooms must get what is said for them, and those of the shards what is said for those."
  }
}

run "what_the_design_does_not_allow_is_refused" {
  command = plan

  variables {
    chunk_size        = 501                      # no more ids fit beside the data
    partitions        = { max_partitions = 1e5 } # a partition's number has five digits
    accounting_window = 60
    silo_tenants      = ["a-tenant-with-an-id-of-thirty-seven-characters"] # its consumer's name would be too long
    session_share     = 1.01
    quota             = { rooms = 0.51 }

    broadcast_keys           = 0
    query_concurrency        = 1001
    message_lifetime_seconds = 86400
    inbox_lifetime_seconds   = 0
    messages_per_inbox       = 0
  }

  expect_failures = [
    var.chunk_size, var.partitions, var.accounting_window,
    var.message_lifetime_seconds, var.inbox_lifetime_seconds, var.messages_per_inbox,
    var.silo_tenants, var.session_share, var.quota, var.broadcast_keys, var.query_concurrency,
  ]
}

run "a_function_that_is_not_there_and_a_post_that_lasts_too_long_are_refused" {
  command = plan

  variables {
    timeouts             = { post_message = 11 } # what is left goes back after ten seconds
    reserved_concurrency = { post-message = 16 } # no function has this name
  }

  expect_failures = [var.timeouts, var.reserved_concurrency]
}

run "a_timeout_after_which_a_broadcast_is_over_is_refused" {
  command = plan

  variables {
    timeouts = { query = 25 } # two times six timeouts are the 300 seconds of a broadcast
  }

  expect_failures = [var.timeouts]
}

run "the_timeouts_as_they_are_need_a_lifetime_of_more_than_four_minutes" {
  command = plan

  variables {
    message_lifetime_seconds = 240
  }

  expect_failures = [var.timeouts]
}

run "a_subscribers_roles_are_bounded_here_and_there" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      permissions_boundary = "arn:aws:iam::111111111111:policy/ci/loudhailer-test-boundary"
    }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0] } }
  }

  assert {
    condition     = aws_iam_role.subscriber["blue"].permissions_boundary == "arn:aws:iam::111111111111:policy/ci/loudhailer-test-boundary"
    error_message = "The role that it assumes must have this account's boundary."
  }
  assert {
    condition     = output.subscribers.blue.permissions_boundary == "arn:aws:iam::222222222222:policy/ci/loudhailer-test-boundary"
    error_message = "Its function must have that of its own account."
  }
}

run "a_subscriber_assumes_a_role_that_trusts_its_function_alone" {
  command = plan

  variables {
    shards      = { count = 3 }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0, 2] } }
  }

  assert {
    condition = jsondecode(aws_iam_role.subscriber["blue"].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::222222222222:root" }
      Condition = {
        ArnEquals    = { "aws:PrincipalArn" = "arn:aws:iam::222222222222:role/loudhailer-test/loudhailer-test-post_message" }
        StringEquals = { "sts:ExternalId" = "blue-1" }
      }
    }]
    error_message = "Only the subscriber's function, and only with the external id, may assume the role."
  }
  assert {
    condition = (
      local.subscriber_policies.blue.Statement[0].Action == ["execute-api:ManageConnections"]
      && local.subscriber_policies.blue.Statement[0].Resource == [
        for method in ["POST", "DELETE"] : "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/${method}/@connections/*"
      ]
      && local.subscriber_policies.blue.Statement[1].Action == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      && local.subscriber_policies.blue.Statement[1].Resource == [local.lanes.arn]
      && local.subscriber_policies.blue.Statement[2].Action == ["sqs:SendMessage"]
      && length(local.subscriber_policies.blue.Statement[2].Resource) == 4
      && length(local.subscriber_policies.blue.Statement) == 3
    )
    error_message = "It must be let post, mark its lanes, and send to its two shards, to the outcomes and the dead letters, and nothing else."
  }
  assert {
    condition     = output.subscribers.blue.permissions_boundary == null && toset(keys(output.subscribers.blue.shards)) == toset(["shard-0", "shard-2"])
    error_message = "It must be told of its own shards."
  }
  assert {
    condition = (
      output.subscribers.blue.region == "us-east-1"
      && output.subscribers.blue.account_id == "222222222222"
      && output.subscribers.blue.role.external_id == "blue-1"
      && output.subscribers.blue.callback_endpoint == module.websocket_api.callback_endpoint
      && output.subscribers.blue.lane_posts_per_second == local.lane_posts_per_second
      && jsonencode(output.subscribers.blue.lane_shares) == jsonencode(local.lane_shares)
      && output.subscribers.blue.lanes_table == local.lanes.name
    )
    error_message = "It must be told where it works, as whom, how fast, and where lanes are marked."
  }
}

run "who_is_not_answered_and_what_is_throttled_raises_an_alarm" {
  command = plan

  assert {
    condition = toset([for alarm in values(module.function_alarms.alarms) : alarm.function]) == toset([
      for name in ["authorizer", "connect", "default_route", "disconnect", "join_room", "reconcile", "send_message"] :
      "loudhailer-test-${name}"
    ])
    error_message = "Every function without a queue or a stream in front of it must be watched."
  }
  assert {
    condition = toset(keys(module.throttled_alarm)) == toset(flatten([
      for table in keys(output.tables) : ["${table}-reads", "${table}-writes"]
    ]))
    error_message = "Every table must be watched for throttled reads and writes."
  }
  assert {
    condition     = toset(keys(module.gateway_alarm)) == toset(["ExecutionError", "IntegrationError"])
    error_message = "The API must be watched for what it cannot call."
  }
}

run "every_reader_of_a_stream_has_its_alarm" {
  command = plan

  variables {
    message_lifetime_seconds = 600
  }

  assert {
    condition     = toset(keys(module.behind_alarm)) == toset(["accounting", "end_session", "presence"])
    error_message = "Each function that reads a stream must be watched."
  }
  assert {
    condition = alltrue([
      for name, age in local.stream_ages :
      age.metric.namespace == "AWS/Lambda" && age.metric.name == "IteratorAge" && age.metric.statistic == "Maximum"
      && age.metric.dimensions == { FunctionName = "loudhailer-test-${name}" } && age.threshold == 300000
    ])
    error_message = "A record may wait for half of a broadcast's life, in milliseconds."
  }
}

run "an_account_id_of_11_digits_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = { blue = { account_id = "22222222222", external_id = "blue-1", shards = [0] } }
  }

  expect_failures = [var.subscribers]
}

run "a_shard_that_two_subscribers_claim_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = {
      blue  = { account_id = "222222222222", external_id = "blue-1", shards = [0] }
      green = { account_id = "333333333333", external_id = "green-1", shards = [0, 1] }
    }
  }

  expect_failures = [var.subscribers]
}

run "a_shard_that_does_not_exist_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    shards      = { count = 2 }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [2] } }
  }

  expect_failures = [var.subscribers]
}

run "a_shard_between_two_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0.5] } }
  }

  expect_failures = [var.subscribers]
}

run "a_subscriber_without_a_shard_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [] } }
  }

  expect_failures = [var.subscribers]
}

run "an_account_that_subscribes_twice_is_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = {
      blue  = { account_id = "222222222222", external_id = "blue-1", shards = [0] }
      green = { account_id = "222222222222", external_id = "green-1", shards = [1] }
    }
  }

  expect_failures = [var.subscribers]
}

run "a_short_external_id_and_a_name_in_capitals_are_refused" {
  command = plan

  plan_options {
    target = [aws_iam_role.subscriber]
  }

  variables {
    subscribers = {
      Blue  = { account_id = "222222222222", external_id = "blue-1", shards = [0] }
      green = { account_id = "333333333333", external_id = "g", shards = [1] }
    }
  }

  expect_failures = [var.subscribers]
}

run "every_silo_has_a_consumer_of_its_own_and_every_queue_its_alarm" {
  command = plan

  variables {
    shards       = { count = 3 }
    silo_tenants = ["gold"]
  }

  assert {
    condition = toset(keys(module.waiting_alarm)) == toset([
      "broadcast", "disconnect", "inbox", "outcome", "partition", "pooled", "rooms", "shard-0", "shard-1", "shard-2", "silo-gold", "undelivered",
    ])
    error_message = "Every queue of work must be watched, each shard's and each silo's among them."
  }
  assert {
    condition     = toset(concat(keys(module.waiting_alarm), keys(module.failure_alarm))) == toset(keys(local.all_queues))
    error_message = "No queue may be left unwatched."
  }
  assert {
    condition = toset(keys(module.failure_alarm)) == toset([
      for name in keys(local.all_queues) : name if length(regexall("dead-letter|failure", name)) > 0
    ])
    error_message = "Every queue of failures must be watched."
  }
  assert {
    condition = { for name, function in output.functions : name => function if startswith(name, "echo") } == {
      echo        = "loudhailer-test-echo"
      "echo-gold" = "loudhailer-test-echo-gold"
    }
    error_message = "The pool and each silo must have a consumer."
  }
}
