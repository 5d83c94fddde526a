mock_provider "aws" {
  override_during = plan

  mock_resource "aws_sqs_queue" {
    defaults = {
      arn = "arn:aws:sqs:us-east-1:111111111111:mock"
      url = "https://sqs.us-east-1.amazonaws.com/111111111111/mock"
    }
  }
}

override_resource {
  target          = aws_sqs_queue.dead_letter
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-dead-letter.fifo" }
}

override_resource {
  target          = aws_sqs_queue.this["silo-gold"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-silo-gold.fifo" }
}

override_resource {
  target          = aws_sqs_queue.this["pooled"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-pooled.fifo" }
}

variables {
  prefix       = "loudhailer-test"
  silo_tenants = ["gold"]
  timeout      = 10
  consumers = {
    pooled    = "arn:aws:lambda:us-east-1:111111111111:function:echo:live"
    silo-gold = "arn:aws:lambda:us-east-1:111111111111:function:echo-gold:live"
  }
}

run "the_pool_and_every_silo_have_a_queue_of_high_throughput" {
  command = plan

  assert {
    condition = { for key, queue in aws_sqs_queue.this : key => queue.name } == {
      pooled    = "loudhailer-test-pooled.fifo"
      silo-gold = "loudhailer-test-silo-gold.fifo"
    }
    error_message = "There must be one queue for the pool and one for each silo."
  }
  assert {
    condition = alltrue([
      for queue in concat(values(aws_sqs_queue.this), [aws_sqs_queue.dead_letter]) :
      queue.fifo_queue && queue.deduplication_scope == "messageGroup" && queue.fifo_throughput_limit == "perMessageGroupId"
      && queue.sqs_managed_sse_enabled
    ])
    error_message = "Queues must be FIFO, of high throughput, and encrypted."
  }
  assert {
    condition     = alltrue([for queue in aws_sqs_queue.this : queue.visibility_timeout_seconds == 60])
    error_message = "A queue must hide a message for six times the consumer's timeout."
  }
}

run "what_nobody_could_handle_comes_to_rest_in_a_fifo_queue" {
  command = plan

  assert {
    condition = {
      for key, redrive in aws_sqs_queue_redrive_policy.this : key => jsondecode(redrive.redrive_policy)
      } == {
      for key in ["pooled", "silo-gold"] : key => {
        deadLetterTargetArn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-dead-letter.fifo"
        maxReceiveCount     = 5
      }
    }
    error_message = "A message that failed five times must be moved, and stay a part of its group."
  }
  assert {
    condition     = aws_sqs_queue.dead_letter.message_retention_seconds == 1209600
    error_message = "What nobody could handle must be kept as long as AWS keeps it."
  }
}

run "every_queue_has_its_own_consumer_and_only_what_failed_is_tried_again" {
  command = plan

  assert {
    condition     = { for key, mapping in aws_lambda_event_source_mapping.this : key => mapping.function_name } == { for key, arn in var.consumers : key => arn }
    error_message = "A silo must be read by its own consumer."
  }
  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.this :
      mapping.batch_size == 10 && mapping.function_response_types == toset(["ReportBatchItemFailures"])
    ])
    error_message = "Every mapping must take batches of ten, and partial failures."
  }
}

run "a_route_names_its_queue_and_all_that_it_may_mean" {
  command = plan

  assert {
    condition = output.routes.SiloSQS == {
      queue_name = "loudhailer-test-silo-{tenantId}.fifo"
      queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-silo-gold.fifo"]
    }
    error_message = "A silo's queue must be chosen by the tenant's id, and be none but a silo's."
  }
  assert {
    condition = output.routes.PooledSQS == {
      queue_name = "loudhailer-test-pooled.fifo"
      queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-pooled.fifo"]
    }
    error_message = "The pool's route must lead to the pool, and to no silo."
  }
}

run "without_silos_there_is_the_pool" {
  command = plan

  variables {
    silo_tenants = []
    consumers    = { pooled = "arn:aws:lambda:us-east-1:111111111111:function:echo:live" }
  }

  assert {
    condition     = keys(output.queues) == ["pooled"]
    error_message = "The pool must be there without any silo."
  }
}

run "a_tenant_that_is_no_id_is_refused" {
  command = plan

  variables {
    silo_tenants = ["gold#1"]
    consumers    = { pooled = "arn:aws:lambda:a", "silo-gold#1" = "arn:aws:lambda:b" }
  }

  expect_failures = [var.silo_tenants]
}

run "a_tenant_whose_queue_would_have_too_long_a_name_is_refused" {
  command = plan

  variables {
    silo_tenants = ["a-tenant-with-an-id-of-sixty-four-characters-which-is-legal-else"]
    consumers = {
      pooled                                                                = "arn:aws:lambda:a"
      silo-a-tenant-with-an-id-of-sixty-four-characters-which-is-legal-else = "arn:aws:lambda:b"
    }
  }

  expect_failures = [var.silo_tenants]
}

run "tenants_that_differ_in_case_alone_are_refused" {
  command = plan

  variables {
    silo_tenants = ["gold", "Gold"]
    consumers    = { pooled = "arn:aws:lambda:a", silo-gold = "arn:aws:lambda:b", silo-Gold = "arn:aws:lambda:c" }
  }

  expect_failures = [var.silo_tenants]
}

run "a_silo_without_a_consumer_one_try_and_no_timeout_are_refused" {
  command = plan

  variables {
    consumers         = { pooled = "arn:aws:lambda:a" }
    max_receive_count = 1
    timeout           = 0
  }

  expect_failures = [var.consumers, var.max_receive_count, var.timeout]
}
