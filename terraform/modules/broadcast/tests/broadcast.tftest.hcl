mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111111111111:loudhailer-test-broadcast" }
  }
}

override_resource {
  target          = aws_sqs_queue.work["undelivered"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-undelivered" }
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
  }
  leave_queue = { url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-leave", arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-leave" }
  settings    = { shards = { count = 3, concurrency = 5 } }
  quota       = { posts_per_second = 10000, burst = 5000, headroom = 0.98, rooms = 0.1, express = 0.05 }
  tables = {
    connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections", by_room_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/index/room" }
    devices     = { name = "devices", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices" }
    partitions  = { name = "partitions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions" }
    members     = { name = "members", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/members" }
    audiences   = { name = "audiences", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/audiences" }
    sessions    = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
    tenants     = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
  }
  websocket_api = jsondecode(file("../../testing/values.json")).websocket_api
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Every stage of a broadcast has its queue.
  assert {
    condition = { for key, queue in aws_sqs_queue.work : key => queue.visibility_timeout_seconds } == {
      broadcast   = 120
      partition   = 120
      shard-0     = 60
      shard-1     = 60
      shard-2     = 60
      rooms       = 60
      express     = 60
      outcome     = 121
      undelivered = 121
    }
    error_message = "Each queue must hide a message for six times its function's timeout, and the gathering of a batch."
  }
  assert {
    condition     = alltrue([for queue in concat(values(aws_sqs_queue.work), [aws_sqs_queue.dead_letter]) : queue.sqs_managed_sse_enabled])
    error_message = "Queues must be encrypted."
  }

  # Only the topic may send to its queue.
  assert {
    condition = jsondecode(aws_sqs_queue.work["broadcast"].policy).Statement == [{
      Sid       = "TopicMaySend"
      Effect    = "Allow"
      Principal = { Service = "sns.amazonaws.com" }
      Action    = "sqs:SendMessage"
      Resource  = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-broadcast"
      Condition = { ArnEquals = { "aws:SourceArn" = "arn:aws:sns:us-east-1:111111111111:loudhailer-test-broadcast" } }
    }]
    error_message = "The policy must let SNS send to this queue from this topic only."
  }
  assert {
    condition     = aws_sns_topic_subscription.broadcast.raw_message_delivery
    error_message = "The queue must get the message as it was published."
  }

  # Only its publishers may publish on the topic and over TLS alone.
  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.broadcast.policy).Statement :
      statement.Sid => [statement.Effect, statement.Principal, statement.Action, statement.Resource, statement.Condition]
      } == jsondecode(jsonencode({
        PublishersMayPublish = [
          "Allow", { AWS = "arn:aws:iam::111111111111:root" }, "sns:Publish", aws_sns_topic.broadcast.arn,
          { ArnEquals = { "aws:PrincipalArn" = local.publisher_role_arns } },
        ]
        NobodyElseMay = [
          "Deny", "*", "sns:Publish", aws_sns_topic.broadcast.arn,
          { ArnNotEquals = { "aws:PrincipalArn" = local.publisher_role_arns } },
        ]
        RefusePlainHttp = [
          "Deny", "*", "sns:Publish", aws_sns_topic.broadcast.arn, { Bool = { "aws:SecureTransport" = "false" } },
        ]
    }))
    error_message = "The policy must let its publishers publish, nobody else, and allow nothing besides."
  }
  assert {
    condition = local.publisher_role_arns == [
      "arn:aws:iam::111111111111:role/loudhailer-test/loudhailer-test-publish",
      "arn:aws:iam::111111111111:role/loudhailer-test/loudhailer-test-send_message",
    ]
    error_message = "The publishers must be publish and send_message."
  }

  # Messages that every worker failed on are settled before they are kept.
  assert {
    condition = toset([
      for key, redrive in aws_sqs_queue_redrive_policy.work : key
      if !endswith(jsondecode(redrive.redrive_policy).deadLetterTargetArn, "undelivered")
    ]) == toset(["undelivered"])
    error_message = "Every queue but the one of what is undelivered must lead there."
  }
  assert {
    condition = alltrue([
      for key, redrive in aws_sqs_queue_redrive_policy.work :
      jsondecode(redrive.redrive_policy).maxReceiveCount == lookup({ broadcast = 10, partition = 10, undelivered = 20 }, key, 5)
    ])
    error_message = "A chunk must be tried five times, a broadcast or source ten times, and each as often again to be settled as failed."
  }

  # A shard delivers one chunk at a time to a limited number of workers.
  assert {
    condition     = local.consumers == toset(["swarm", "query", "post_message", "post_message-rooms", "post_message-express", "settle"])
    error_message = "The timeout of every function that reads a queue of the pipeline must be bounded by the broadcast's lifetime."
  }
  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.post_message :
      mapping.batch_size == 1 && mapping.scaling_config[0].maximum_concurrency == 5
    ])
    error_message = "A lane must have one chunk, and a shard no more workers than its lanes."
  }
  assert {
    condition     = aws_lambda_event_source_mapping.query.scaling_config[0].maximum_concurrency == 8
    error_message = "No more queries must write chunks at once than the table takes."
  }

  # Only failed messages are retried.
  assert {
    condition = alltrue([
      for mapping in concat(
        values(aws_lambda_event_source_mapping.post_message),
        values(aws_lambda_event_source_mapping.settle),
        [aws_lambda_event_source_mapping.swarm, aws_lambda_event_source_mapping.query],
      ) : mapping.function_response_types == toset(["ReportBatchItemFailures"])
    ])
    error_message = "Every mapping must take partial failures."
  }

  # Tables are protected from deletion.
  assert {
    condition     = aws_dynamodb_table.broadcasts.deletion_protection_enabled && aws_dynamodb_table.broadcasts.ttl[0].attribute_name == "expiresAt"
    error_message = "The table must be protected, and its rows expire."
  }
  assert {
    condition     = aws_dynamodb_table.lanes.deletion_protection_enabled && aws_dynamodb_table.lanes.hash_key == "lanes"
    error_message = "The table of lanes must be protected, and have the key that the functions use."
  }

  # Large rooms have two workers of their own, and small broadcasts four.
  assert {
    condition = alltrue([
      for name, workers in { rooms = 2, express = 4 } : (
        aws_lambda_event_source_mapping.post_message_dedicated[name].function_name == module.post_message_dedicated[name].alias.arn
        && aws_lambda_event_source_mapping.post_message_dedicated[name].batch_size == 1
        && aws_lambda_event_source_mapping.post_message_dedicated[name].function_response_types == toset(["ReportBatchItemFailures"])
        && aws_lambda_event_source_mapping.post_message_dedicated[name].scaling_config[0].maximum_concurrency == workers
        && local.dedicated_lanes[name].workers == workers
      )
    ])
    error_message = "No more workers may post than the rate of their kind is divided by."
  }

  # The former release may send remaining connections to the queue that it reads.
  assert {
    condition = alltrue([
      for name in ["rooms", "express"] :
      anytrue([
        for statement in module.post_message_dedicated[name].statements :
        contains(statement.Action, "sqs:SendMessage") && contains(statement.Resource, local.queues[name].arn)
      ])
    ])
    error_message = "After a rollback this code serves the queue during the first steps of the next release."
  }

  # The rest of a small broadcast goes to the shards.
  assert {
    condition     = jsonencode(local.dedicated_lanes.express.queues_for_rest) == jsonencode(local.query_shards)
    error_message = "No small broadcast may wait for the remaining connections of another one."
  }
  assert {
    condition     = local.dedicated_lanes.express.bucket * 4 == 2000 && local.dedicated_lanes.rooms.bucket == 0
    error_message = "The express lanes together must take two fifths of the account's bucket, and no others any of it."
  }

  # Lambda does not stop messages that return to a queue.
  assert {
    condition     = aws_lambda_function_recursion_config.post_message.recursive_loop == "Allow" && alltrue([for way in aws_lambda_function_recursion_config.post_message_dedicated : way.recursive_loop == "Allow"])
    error_message = "Lambda must not take the way back to the shard for a loop."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.settle.recursive_loop == "Allow"
    error_message = "Lambda must not take the way back to the queue of outcomes for a loop."
  }

  # `publish` may publish only on the topic.
  assert {
    condition = flatten([
      for statement in module.publish[0].role.policy.Statement : statement.Resource if contains(statement.Action, "sns:Publish")
    ]) == [aws_sns_topic.broadcast.arn]
    error_message = "publish may publish on the topic of broadcasts only."
  }

  # No cell may subscribe, and `publish` reads none without further cells.
  assert {
    condition     = !strcontains(aws_sns_topic_policy.broadcast.policy, "sns:Subscribe") && length(module.cell_roles.roles) == 0
    error_message = "The topic is as it was."
  }
  assert {
    condition     = !strcontains(jsonencode(module.publish[0].role.policy), "ReadCells")
    error_message = "publish may do what it might before."
  }

  # The hub's broadcasts have no stream.
  assert {
    condition     = aws_dynamodb_table.broadcasts.stream_enabled == null && length(aws_lambda_event_source_mapping.report) == 0
    error_message = "The hub reads its own rows."
  }
}

run "more_shards_than_an_environment_has_room_for_are_refused" {
  command = plan

  variables {
    settings = { shards = { count = 33 } }
  }

  expect_failures = [var.settings]
}

run "shards_that_are_drained_have_room_beside_the_others_or_are_refused" {
  command = plan

  variables {
    settings = { shards = { count = 31, draining = 2 } }
  }

  expect_failures = [var.settings]
}

run "half_a_shard_is_not_drained" {
  command = plan

  variables {
    settings = { shards = { draining = 0.5 } }
  }

  expect_failures = [var.settings]
}

run "drained_shards_are_read_and_get_no_new_chunks" {
  command = plan

  variables {
    settings = { shards = { count = 2, draining = 2, concurrency = 2 } }
  }

  assert {
    condition     = toset(keys(aws_lambda_event_source_mapping.post_message)) == toset(["shard-0", "shard-1", "shard-2", "shard-3"])
    error_message = "Chunks that earlier versions have sent, or still send, must be posted."
  }
  assert {
    condition     = length(local.query_shards) == 2
    error_message = "query must know the shards that stay, and no others."
  }
  assert {
    condition     = jsonencode(local.lane_shares) == jsonencode({ express = 0.05, low = 0.1, normal = 0.85 })
    error_message = "Functions must get short numbers."
  }
  assert {
    condition     = local.lane_posts_per_second == floor(local.posts_per_second * 0.85 / 8)
    error_message = "Lanes of drained shards post as well: all together must keep to the quota."
  }
}

run "a_shard_that_is_drained_cannot_be_claimed" {
  command = plan

  variables {
    settings    = { shards = { count = 2, draining = 1 } }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [2] } }
  }

  expect_failures = [var.subscribers]
}

run "shards_keep_their_order_beyond_ten" {
  command = plan

  variables {
    settings = { shards = { count = 12 } }
  }

  assert {
    condition     = local.shard_names[2] == "shard-2" && local.shard_names[11] == "shard-11" && length(local.shards) == 12
    error_message = "Shards must be in the order of their numbers."
  }
}

run "a_claimed_shard_is_read_by_its_subscriber_alone_unless_it_is_shared" {
  command = plan

  variables {
    subscribers = {
      blue  = { account_id = "222222222222", external_id = "blue-1", shards = [0] }
      green = { account_id = "333333333333", external_id = "green-1", shards = [1], shared = true }
    }
  }

  assert {
    condition     = toset(keys(aws_lambda_event_source_mapping.post_message)) == toset(["shard-1", "shard-2"])
    error_message = "The cell must read what nobody claims, and what is shared."
  }
  assert {
    condition = { for shard, queue in aws_sqs_queue_policy.shard : shard => jsondecode(queue.policy).Statement } == {
      for shard, account in { shard-0 = "222222222222", shard-1 = "333333333333" } : shard => [{
        Sid       = "SubscriberMayRead"
        Effect    = "Allow"
        Principal = { AWS = "arn:aws:iam::${account}:root" }
        Action    = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage"]
        Resource  = "arn:aws:sqs:us-east-1:111111111111:mock"
        Condition = { ArnEquals = { "aws:PrincipalArn" = "arn:aws:iam::${account}:role/loudhailer-test/loudhailer-test-post_message" } }
      }]
    }
    error_message = "The function's role of the subscriber, and nobody else there, must be let read, and do nothing else."
  }
}

run "a_shard_with_one_worker_is_refused" {
  command = plan

  variables {
    settings = { shards = { count = 4, concurrency = 1 } }
  }

  expect_failures = [var.settings]
}

run "lanes_share_the_quota_and_leave_headroom" {
  command = plan

  variables {
    quota    = { posts_per_second = 10000, burst = 5000, headroom = 0.98, rooms = 0.1, express = 0.05 }
    settings = { shards = { count = 10, concurrency = 2 } }
  }

  assert {
    condition     = local.lane_posts_per_second == 416
    error_message = "Twenty lanes must share 8,330 posts per second."
  }
  assert {
    condition     = jsonencode(local.dedicated_lane_posts_per_second) == jsonencode({ rooms = 490, express = 122 })
    error_message = "The two lanes of large rooms must share 980, and the four of small broadcasts the other 490."
  }
}

run "all_lanes_together_keep_to_the_quota" {
  command = plan

  variables {
    quota    = { posts_per_second = 30000, burst = 5000, headroom = 0.9, rooms = 0.3, express = 0.05 }
    settings = { shards = { count = 3, concurrency = 4 } }
  }

  assert {
    condition     = local.lane_posts_per_second * 12 + local.dedicated_lane_posts_per_second.rooms * 2 + local.dedicated_lane_posts_per_second.express * 4 <= 27000
    error_message = "All lanes must share what the quota leaves to posts."
  }
  assert {
    condition     = local.lane_shares == { normal = 0.65, low = 0.3, express = 0.05 }
    error_message = "Each kind of lanes must know what share is its own."
  }
}

run "a_small_quota_leaves_large_rooms_a_post_a_second" {
  command = plan

  variables {
    quota    = { posts_per_second = 40, burst = 5000, headroom = 0.98, rooms = 0.01, express = 0.05 }
    settings = { shards = { count = 2 } }
  }

  assert {
    condition     = local.dedicated_lane_posts_per_second.rooms == 1
    error_message = "A lane without a rate would never post."
  }
}

run "more_lanes_than_posts_are_refused" {
  command = plan

  variables {
    quota    = { posts_per_second = 32, burst = 5000, headroom = 0.98, rooms = 0.1, express = 0.05 }
    settings = { shards = { count = 32, concurrency = 2 } }
  }

  expect_failures = [var.settings]
}

run "a_lane_without_a_worker_is_refused" {
  command = plan

  variables {
    settings = { shards = { count = 8, concurrency = 2 } }
    functions = {
      publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = 15, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "fewer_than_two_workers_of_large_rooms_are_refused" {
  command = plan

  variables {
    functions = {
      publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = 1, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "both_functions_that_post_have_their_own_concurrency" {
  command = plan

  variables {
    functions = {
      publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = 16, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = 2, provisioned = 1 }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  assert {
    condition = (
      jsonencode(module.post_message.concurrency) == jsonencode({ reserved = 16, provisioned = null })
      && jsonencode(module.post_message_dedicated["rooms"].concurrency) == jsonencode({ reserved = 2, provisioned = 1 })
    )
    error_message = "The workers of large rooms must get their own concurrency, and those of the shards theirs."
  }
}

run "a_timeout_longer_than_a_broadcast_is_refused" {
  command = plan

  variables {
    functions = {
      publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 25, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "the_default_timeouts_need_a_lifetime_of_more_than_four_minutes" {
  command = plan

  variables {
    settings = { lifetime_seconds = 240 }
  }

  expect_failures = [var.functions]
}

run "a_post_that_lasts_too_long_is_refused" {
  command = plan

  variables {
    functions = {
      publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-rooms   = { timeout = 11, memory = 1769, reserved = null, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "a_chunk_that_does_not_fit_is_refused" {
  command = plan

  variables {
    settings = { chunk_size = 501 }
  }

  expect_failures = [var.settings]
}

run "small_broadcasts_have_as_many_recipients_as_a_lane_posts_at_once" {
  command = plan

  variables {
    quota = { posts_per_second = 2500, burst = 1250, headroom = 0.98, rooms = 0.1, express = 0.05 }
  }

  assert {
    condition     = local.express_recipients == 125 && local.dedicated_lanes.express.bucket == 125
    error_message = "In a Region with a small quota fewer recipients must make a broadcast small."
  }
}

run "a_small_broadcast_that_no_lane_posts_at_once_is_refused" {
  command = plan

  variables {
    settings = { express_recipients = 501 }
  }

  expect_failures = [var.settings]
}

run "a_small_broadcast_larger_than_a_tenth_of_the_bucket_is_refused" {
  command = plan

  variables {
    settings = { express_recipients = 126 }
    quota    = { posts_per_second = 2500, burst = 1250, headroom = 0.98, rooms = 0.1, express = 0.05 }
  }

  expect_failures = [var.settings]
}

run "publish_finds_no_recipients_if_no_broadcast_is_small_but_may_send_recorded_ones" {
  command = plan

  variables {
    settings = { express_recipients = 0 }
  }

  assert {
    condition = !anytrue([
      for statement in module.publish[0].role.policy.Statement : contains(["FindRecipients", "FindMembersAndPlayers", "ReadSession"], statement.Sid)
    ])
    error_message = "publish must have no right that it has no use for."
  }

  assert {
    condition = jsonencode([
      for statement in module.publish[0].role.policy.Statement : statement.Resource if statement.Sid == "SendChunk"
    ]) == jsonencode([[local.queues["express"].arn]])
    error_message = "A version that records small broadcasts, or a repeat of one, must be able to send the chunk."
  }
}

run "no_key_is_refused" {
  command = plan

  variables {
    settings = { keys = 0 }
  }

  expect_failures = [var.settings]
}

run "sixty_five_keys_are_refused" {
  command = plan

  variables {
    settings = { keys = 65 }
  }

  expect_failures = [var.settings]
}

run "more_queries_than_aws_calls_at_once_are_refused" {
  command = plan

  variables {
    settings = { query_concurrency = 1001 }
  }

  expect_failures = [var.settings]
}

run "one_query_at_a_time_is_refused" {
  command = plan

  variables {
    settings = { query_concurrency = 1 }
  }

  expect_failures = [var.settings]
}

run "a_day_of_life_is_refused" {
  command = plan

  variables {
    settings = { lifetime_seconds = 86400 }
  }

  expect_failures = [var.settings]
}

run "no_shard_is_refused" {
  command = plan

  variables {
    settings = { shards = { count = 0 } }
  }

  expect_failures = [var.settings]
}

run "one_try_is_refused" {
  command = plan

  variables {
    max_receive_count = 1
  }

  expect_failures = [var.max_receive_count]
}

run "a_subscribers_roles_are_bounded_in_both_accounts" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      before_channels      = false
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      permissions_boundary = "arn:aws:iam::111111111111:policy/ci/loudhailer-test-boundary"
      deletion_protection  = true
      alarm_topic_arn      = null
    }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0] } }
  }

  assert {
    condition     = module.subscriber_roles.roles.blue.permissions_boundary == "arn:aws:iam::111111111111:policy/ci/loudhailer-test-boundary"
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
    settings    = { shards = { count = 3 } }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0, 2] } }
  }

  assert {
    condition = jsondecode(module.subscriber_roles.roles.blue.trust).Statement == [{
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
    condition = {
      for statement in jsondecode(module.subscriber_roles.roles.blue.policy).Statement : statement.Sid => [statement.Action, statement.Resource]
      } == {
      Post = [["execute-api:ManageConnections"], [
        for method in ["POST", "DELETE"] : "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/${method}/@connections/*"
      ]]
      MarkLanes = [["dynamodb:GetItem", "dynamodb:UpdateItem"], [local.lanes.arn]]
      SendOutcomes = [["sqs:SendMessage"], [
        local.shards[0].arn, local.shards[2].arn, local.queues["outcome"].arn, local.queues["dead-letter"].arn
      ]]
    }
    error_message = "It must be let post, mark its lanes, and send to its two shards, to the outcomes and the dead letters, and nothing else."
  }
  assert {
    condition     = output.subscribers.blue.permissions_boundary == null && toset(keys(output.subscribers.blue.shards)) == toset(["shard-0", "shard-2"])
    error_message = "It must get its own shards."
  }
  assert {
    condition = (
      output.subscribers.blue.region == "us-east-1"
      && output.subscribers.blue.account_id == "222222222222"
      && output.subscribers.blue.role.external_id == "blue-1"
      && output.subscribers.blue.callback_endpoint == var.websocket_api.callback_endpoint
      && output.subscribers.blue.lane_posts_per_second == local.lane_posts_per_second
      && jsonencode(output.subscribers.blue.lane_shares) == jsonencode(local.lane_shares)
      && output.subscribers.blue.lanes_table == local.lanes.name
    )
    error_message = "It must get the API's endpoint, its role, its rate and the table of lanes."
  }
}

run "an_account_id_of_11_digits_is_refused" {
  command = plan

  plan_options {
    target = [module.subscriber_roles]
  }

  variables {
    subscribers = { blue = { account_id = "22222222222", external_id = "blue-1", shards = [0] } }
  }

  expect_failures = [var.subscribers]
}

run "a_shard_that_two_subscribers_claim_is_refused" {
  command = plan

  plan_options {
    target = [module.subscriber_roles]
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
    target = [module.subscriber_roles]
  }

  variables {
    settings    = { shards = { count = 2 } }
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [2] } }
  }

  expect_failures = [var.subscribers]
}

run "a_fractional_shard_number_is_refused" {
  command = plan

  plan_options {
    target = [module.subscriber_roles]
  }

  variables {
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0.5] } }
  }

  expect_failures = [var.subscribers]
}

run "a_subscriber_without_a_shard_is_refused" {
  command = plan

  plan_options {
    target = [module.subscriber_roles]
  }

  variables {
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [] } }
  }

  expect_failures = [var.subscribers]
}

run "an_account_that_subscribes_twice_is_refused" {
  command = plan

  plan_options {
    target = [module.subscriber_roles]
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
    target = [module.subscriber_roles]
  }

  variables {
    subscribers = {
      Blue  = { account_id = "222222222222", external_id = "blue-1", shards = [0] }
      green = { account_id = "333333333333", external_id = "g", shards = [1] }
    }
  }

  expect_failures = [var.subscribers]
}

run "only_send_message_publishes_where_publish_is_missing" {
  command = plan

  variables {
    control_plane = false
  }

  assert {
    condition     = !strcontains(aws_sns_topic_policy.broadcast.policy, "-publish") && strcontains(aws_sns_topic_policy.broadcast.policy, "-send_message")
    error_message = "A further cell's topic must carry messages to its own rooms only."
  }
  assert {
    condition     = length(module.publish) == 0
    error_message = "A further cell has no publish."
  }
}

run "a_cell_subscribes_only_its_queue_and_reports_only_its_own_rows" {
  command = plan

  variables {
    cells = {
      declared = { north = { account_id = "444444444444", external_id = "north-1", region = "eu-west-1" } }
      json     = "{}"
    }
    tables = {
      audiences   = { name = "audiences", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/audiences" }
      members     = { name = "members", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/members" }
      connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections", by_room_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/index/room" }
      devices     = { name = "devices", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices" }
      partitions  = { name = "partitions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions" }
      sessions    = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
      tenants     = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
      cells       = { name = "cells", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/cells" }
      placements  = { name = "placements", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/placements" }
    }
  }

  assert {
    condition = [
      for statement in jsondecode(aws_sns_topic_policy.broadcast.policy).Statement : [statement.Principal.AWS, statement.Condition]
      if statement.Action == "sns:Subscribe"
      ] == [["arn:aws:iam::444444444444:root", { StringEquals = {
        "sns:Protocol" = "sqs", "sns:Endpoint" = "arn:aws:sqs:eu-west-1:444444444444:loudhailer-test-broadcast"
    } }]]
    error_message = "The cell's account may subscribe its queue of broadcasts, and nothing else."
  }
  assert {
    condition = jsondecode(module.cell_roles.roles.north.trust).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::444444444444:root" }
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = [
          "arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-beat",
          "arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-report",
        ] }
        StringEquals = { "sts:ExternalId" = "north-1" }
      }
    }]
    error_message = "The functions that speak for the cell, and nobody else there, must be trusted."
  }
  assert {
    condition = {
      for statement in jsondecode(module.cell_roles.roles.north.policy).Statement : statement.Sid => [
        join(",", statement.Action), try(values(statement.Condition)[0]["dynamodb:LeadingKeys"][0], null), try(statement.Condition.Null["dynamodb:LeadingKeys"][0], null)
      ]
      } == {
      TellOfBroadcasts = ["dynamodb:UpdateItem", "*#cell#north", "false"]
      TellOfItself     = ["dynamodb:UpdateItem", "seen#north", "false"]
      ReadCells        = ["dynamodb:BatchGetItem,dynamodb:GetItem", null, null]
      CopyTenants      = ["dynamodb:Scan", null, null]
    }
    error_message = "The cell writes rows under its own keys, and reads."
  }
}

run "a_further_cells_queue_takes_the_hubs_topic_from_a_region_that_must_be_enabled" {
  command = plan

  variables {
    control_plane = false
    functions = {
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      report               = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
    hub = {
      name       = "north"
      region     = "us-east-1"
      hub_region = "eu-south-1"
      role       = { arn = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-cell-north", external_id = "north-1" }
      topic_arn  = "arn:aws:sns:eu-south-1:555555555555:loudhailer-test-broadcast"
      tables     = { broadcasts = "loudhailer-test-broadcasts" }
    }
  }

  assert {
    condition = alltrue([
      for part in ["sns.amazonaws.com", "sns.eu-south-1.amazonaws.com", "arn:aws:sns:eu-south-1:555555555555:loudhailer-test-broadcast"] :
      strcontains(aws_sqs_queue.work["broadcast"].policy, part)
    ])
    error_message = "Both topics may send, each by the principal of its way."
  }
  assert {
    condition     = aws_dynamodb_table.broadcasts.stream_view_type == "KEYS_ONLY" && length(aws_lambda_event_source_mapping.report[0].filter_criteria[0].filter) == 3
    error_message = "report reads a stream of keys, without those of chunks."
  }
}
