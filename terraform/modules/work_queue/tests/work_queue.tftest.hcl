mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

override_resource {
  target          = aws_sqs_queue.failure[0]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-inbox-failure" }
}

override_resource {
  target          = aws_sqs_queue.this["other"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-other" }
}

variables {
  prefix              = "loudhailer-test"
  names               = ["inbox", "other"]
  readers             = { inbox = "arn:aws:lambda:us-east-1:111111111111:function:first:live", other = "arn:aws:lambda:us-east-1:111111111111:function:second:live" }
  timeout             = 20
  maximum_concurrency = 50
  failure             = { name = "inbox-failure", receives = 9 }
}

run "each_queue_is_read_by_its_function_in_batches" {
  command = plan

  assert {
    condition = {
      for key, mapping in aws_lambda_event_source_mapping.this :
      key => [mapping.function_name, mapping.event_source_arn, mapping.batch_size, mapping.scaling_config[0].maximum_concurrency]
      } == {
      inbox = [var.readers.inbox, "arn:aws:sqs:us-east-1:111111111111:mock", 10, 50]
      other = [var.readers.other, "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-other", 10, 50]
    }
    error_message = "Each queue must have a mapping to its own reader."
  }
  assert {
    condition     = alltrue([for mapping in aws_lambda_event_source_mapping.this : mapping.function_response_types == toset(["ReportBatchItemFailures"])])
    error_message = "Only failed messages may be received again."
  }
  assert {
    condition = alltrue([
      for key, queue in aws_sqs_queue.this :
      queue.name == "loudhailer-test-${key}" && queue.visibility_timeout_seconds == 120 && queue.message_retention_seconds == 86400
      && queue.sqs_managed_sse_enabled && !queue.fifo_queue
    ])
    error_message = "A queue must be encrypted, and hide a message for six times the function's timeout."
  }
}

run "a_message_that_failed_too_often_is_kept_as_long_as_aws_allows" {
  command = plan

  assert {
    condition = {
      for key, redrive in aws_sqs_queue_redrive_policy.this : key => jsondecode(redrive.redrive_policy)
      } == {
      for key in ["inbox", "other"] :
      key => { deadLetterTargetArn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-inbox-failure", maxReceiveCount = 9 }
    }
    error_message = "Both queues must lead to the queue of failures."
  }
  assert {
    condition = (
      aws_sqs_queue.failure[0].name == "loudhailer-test-inbox-failure" && aws_sqs_queue.failure[0].message_retention_seconds == 1209600
      && aws_sqs_queue.failure[0].sqs_managed_sse_enabled
    )
    error_message = "It must be encrypted, and keep a message for 14 days."
  }
}

run "groups_of_a_fifo_queue_share_no_throughput" {
  command = plan

  variables {
    fifo = true
  }

  assert {
    condition = alltrue([
      for queue in concat(values(aws_sqs_queue.this), aws_sqs_queue.failure) :
      queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
      && endswith(queue.name, ".fifo")
    ])
    error_message = "Queues must be FIFO and of high throughput, that of failures too."
  }
}

run "messages_are_received_until_they_expire_if_no_queue_keeps_failures" {
  command = plan

  variables {
    failure = null
  }

  assert {
    condition     = length(aws_sqs_queue_redrive_policy.this) + length(aws_sqs_queue.failure) == 0 && output.failure_queue == null
    error_message = "There must be no queue of failures."
  }
}

run "a_retention_of_seconds_is_refused" {
  command = plan

  variables {
    retention_seconds = 59
  }

  expect_failures = [var.retention_seconds]
}

run "a_batch_of_eleven_is_refused" {
  command = plan

  variables {
    batch_size = 11
  }

  expect_failures = [var.batch_size]
}

run "a_single_invocation_at_once_is_refused" {
  command = plan

  variables {
    maximum_concurrency = 1
  }

  expect_failures = [var.maximum_concurrency]
}

run "a_message_that_is_given_up_unread_is_refused" {
  command = plan

  variables {
    failure = { name = "inbox-failure", receives = 0 }
  }

  expect_failures = [var.failure]
}
