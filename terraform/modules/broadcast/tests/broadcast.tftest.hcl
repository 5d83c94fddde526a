mock_provider "aws" {
  override_during = plan

  mock_resource "aws_sns_topic" {
    defaults = { arn = "arn:aws:sns:us-east-1:111111111111:loudhailer-test-broadcast" }
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
  target          = aws_sqs_queue.work["undelivered"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-undelivered" }
}

variables {
  prefix   = "loudhailer-test"
  shards   = { count = 3, concurrency = 5 }
  timeouts = { swarm = 60, query = 50, post_message = 10, settle = 30 }
  publisher_role_arns = [
    "arn:aws:iam::111111111111:role/loudhailer-test/loudhailer-test-publish",
    "arn:aws:iam::111111111111:role/loudhailer-test/loudhailer-test-send_message",
  ]
  consumers = {
    swarm        = "arn:aws:lambda:us-east-1:111111111111:function:swarm:live"
    query        = "arn:aws:lambda:us-east-1:111111111111:function:query:live"
    post_message = "arn:aws:lambda:us-east-1:111111111111:function:post_message:live"
    rooms        = "arn:aws:lambda:us-east-1:111111111111:function:post_message-rooms:live"
    settle       = "arn:aws:lambda:us-east-1:111111111111:function:settle:live"
  }
}

run "every_stage_of_a_broadcast_has_its_queue" {
  command = plan

  assert {
    condition = { for key, queue in aws_sqs_queue.work : key => queue.visibility_timeout_seconds } == {
      broadcast   = 360
      partition   = 300
      shard-0     = 60
      shard-1     = 60
      shard-2     = 60
      rooms       = 60
      outcome     = 181
      undelivered = 181
    }
    error_message = "Each queue must hide a message for six times its function's timeout, and the gathering of a batch."
  }
  assert {
    condition     = alltrue([for queue in concat(values(aws_sqs_queue.work), [aws_sqs_queue.dead_letter]) : queue.sqs_managed_sse_enabled])
    error_message = "Queues must be encrypted."
  }
}

run "only_the_topic_may_send_to_its_queue" {
  command = plan

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
}

run "only_its_publishers_may_publish_on_the_topic_and_over_tls_alone" {
  command = plan

  assert {
    condition = {
      for statement in jsondecode(aws_sns_topic_policy.broadcast.policy).Statement :
      statement.Sid => [statement.Effect, statement.Principal, statement.Action, statement.Resource, statement.Condition]
      } == jsondecode(jsonencode({
        PublishersMayPublish = [
          "Allow", { AWS = "arn:aws:iam::111111111111:root" }, "sns:Publish", aws_sns_topic.broadcast.arn,
          { ArnEquals = { "aws:PrincipalArn" = var.publisher_role_arns } },
        ]
        NobodyElseMay = [
          "Deny", "*", "sns:Publish", aws_sns_topic.broadcast.arn,
          { ArnNotEquals = { "aws:PrincipalArn" = var.publisher_role_arns } },
        ]
        RefusePlainHttp = [
          "Deny", "*", "sns:Publish", aws_sns_topic.broadcast.arn, { Bool = { "aws:SecureTransport" = "false" } },
        ]
    }))
    error_message = "The policy must let its publishers publish, nobody else, and allow nothing besides."
  }
}

run "a_publisher_that_is_no_role_is_refused" {
  command = plan

  variables {
    publisher_role_arns = ["arn:aws:iam::111111111111:role/*"]
  }

  expect_failures = [var.publisher_role_arns]
}

run "a_topic_without_publishers_is_refused" {
  command = plan

  variables {
    publisher_role_arns = []
  }

  expect_failures = [var.publisher_role_arns]
}

run "what_nobody_could_handle_is_settled_before_it_comes_to_rest" {
  command = plan

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
    error_message = "A chunk must be tried five times, what comes again soon ten times, and each as often again to be settled as failed."
  }
}

run "a_shard_gives_one_chunk_at_a_time_to_a_limited_number_of_workers" {
  command = plan

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
}

run "more_shards_than_an_environment_has_room_for_are_refused" {
  command = plan

  variables {
    shards = { count = 33 }
  }

  expect_failures = [var.shards]
}

run "only_what_failed_is_tried_again" {
  command = plan

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
}

run "tables_are_protected_from_deletion" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.broadcasts.deletion_protection_enabled && aws_dynamodb_table.broadcasts.ttl[0].attribute_name == "expiresAt"
    error_message = "The table must be protected, and its rows expire."
  }
  assert {
    condition     = aws_dynamodb_table.lanes.deletion_protection_enabled && aws_dynamodb_table.lanes.hash_key == "lanes"
    error_message = "The table of lanes must be protected, and have the key that the functions use."
  }
}

run "shards_keep_their_order_beyond_ten" {
  command = plan

  variables {
    shards = { count = 12 }
  }

  assert {
    condition     = local.shards[2] == "shard-2" && local.shards[11] == "shard-11" && length(output.shards) == 12
    error_message = "Shards must be in the order of their numbers."
  }
}

run "large_rooms_have_two_workers_of_their_own" {
  command = plan

  assert {
    condition = (
      aws_lambda_event_source_mapping.rooms.function_name == var.consumers.rooms
      && aws_lambda_event_source_mapping.rooms.batch_size == 1
      && aws_lambda_event_source_mapping.rooms.function_response_types == toset(["ReportBatchItemFailures"])
      && aws_lambda_event_source_mapping.rooms.scaling_config[0].maximum_concurrency == output.room_workers
    )
    error_message = "No more workers may post for large rooms than their rate is divided by."
  }
}

run "a_claimed_shard_is_read_by_its_subscriber_alone_unless_it_is_shared" {
  command = plan

  variables {
    subscribers = {
      blue  = { function_role_arn = "arn:aws:iam::222222222222:role/loudhailer-test-post_message", shards = [0] }
      green = { function_role_arn = "arn:aws:iam::333333333333:role/loudhailer-test-post_message", shards = [1], shared = true }
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
        Condition = { ArnEquals = { "aws:PrincipalArn" = "arn:aws:iam::${account}:role/loudhailer-test-post_message" } }
      }]
    }
    error_message = "The function's role of the subscriber, and nobody else there, must be let read, and do nothing else."
  }
}

run "no_shard_one_try_and_a_function_without_a_timeout_are_refused" {
  command = plan

  variables {
    shards            = { count = 0 }
    max_receive_count = 1
    query_concurrency = 1
    timeouts          = { swarm = 60, query = 50, post_message = 10, settle = 0 }
  }

  expect_failures = [var.shards, var.max_receive_count, var.query_concurrency, var.timeouts]
}

run "a_shard_with_one_worker_is_refused" {
  command = plan

  variables {
    shards = { count = 4, concurrency = 1 }
  }

  expect_failures = [var.shards]
}
