mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    accounting-members = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    leave_channels     = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    publish_frame      = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    reconcile-members  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
    subscribe          = { timeout = 10, memory = 512, reserved = null, provisioned = null }
  }
  session_share = 0.25
  has_only_cell = true
  websocket_api = { callback_endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live" }
  broadcast = {
    topic_arn          = "arn:aws:sns:us-east-1:111111111111:broadcast"
    keys               = 16
    lifetime_seconds   = 300
    express_recipients = 500
    express_queue      = { url = "https://sqs.us-east-1.amazonaws.com/111111111111/express", arn = "arn:aws:sqs:us-east-1:111111111111:express" }
  }
  tables = {
    broadcasts  = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
    connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections" }
    limits      = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
    sessions    = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Members have the form of connections, whose store reads them.
  assert {
    condition = (
      aws_dynamodb_table.members.hash_key == "partition" && aws_dynamodb_table.members.range_key == "connectionId"
      && one(aws_dynamodb_table.members.local_secondary_index).range_key == "neverWritten"
      && aws_dynamodb_table.members.stream_view_type == "NEW_AND_OLD_IMAGES"
    )
    error_message = "A partition of members must be whole, and its stream must have the old rows."
  }

  # Audiences have the form of partitions.
  assert {
    condition     = aws_dynamodb_table.audiences.hash_key == "tenantId" && aws_dynamodb_table.audiences.range_key == "partition"
    error_message = "The key must be tenantId and partition."
  }

  # A connection's subscriptions are one query.
  assert {
    condition     = aws_dynamodb_table.subscriptions.hash_key == "subscriber" && aws_dynamodb_table.subscriptions.range_key == "channel"
    error_message = "The key must be subscriber and channel."
  }

  # Rows expire with their connection.
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.members, aws_dynamodb_table.subscriptions] :
      table.ttl[0].enabled && table.ttl[0].attribute_name == "expiresAt"
    ])
    error_message = "A row whose connection's end was lost must expire."
  }

  # Tables are paid by request and protected from deletion.
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.members, aws_dynamodb_table.audiences, aws_dynamodb_table.subscriptions] :
      table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
    ])
    error_message = "Tables must be on demand, and protected by default."
  }

  # A channel's head and its segments are one partition; a large message does not heat it.
  assert {
    condition = (
      aws_dynamodb_table.history[0].hash_key == "channel" && aws_dynamodb_table.history[0].range_key == "part"
      && aws_dynamodb_table.publications[0].hash_key == "publication"
    )
    error_message = "The keys must be channel and part, and publication."
  }
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.history[0], aws_dynamodb_table.publications[0]] :
      table.ttl[0].enabled && table.ttl[0].attribute_name == "expiresAt" && table.point_in_time_recovery[0].enabled
      && table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
    ])
    error_message = "History must expire, be on demand and protected by default, and survive a deletion."
  }

  # Members are counted by functions of their own, which know no sessions.
  assert {
    condition = { for name, function in output.functions : name => function.name if strcontains(name, "members") } == {
      accounting-members = "loudhailer-test-accounting-members"
      reconcile-members  = "loudhailer-test-reconcile-members"
    }
    error_message = "The instances for members must be named after them."
  }
  # A client's message reaches the members of its tenant's channels alone.
  assert {
    condition = alltrue([
      for statement in output.functions.publish_frame.statements : can(statement.Condition)
      if anytrue([for arn in [aws_dynamodb_table.members.arn, aws_dynamodb_table.audiences.arn] : contains(statement.Resource, arn)])
    ])
    error_message = "publish_frame must read members and their counts as one tenant."
  }
  assert {
    condition     = output.queues.leave-failure != null
    error_message = "A message that leave_channels cannot handle must be kept."
  }
}

run "a_further_cell_has_no_history" {
  command = plan

  variables {
    control_plane = false
  }

  assert {
    condition     = toset(keys(output.tables)) == toset(["audiences", "members", "subscriptions"])
    error_message = "The hub has the only sequence of a channel."
  }
}

run "a_slow_function_is_refused" {
  command = plan

  variables {
    functions = {
      accounting-members = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      leave_channels     = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      publish_frame      = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      reconcile-members  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
      subscribe          = { timeout = 21, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "publish_frame_ends_before_its_client_may_repeat_a_message" {
  command = plan

  variables {
    functions = {
      accounting-members = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      leave_channels     = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      publish_frame      = { timeout = 15, memory = 512, reserved = null, provisioned = null }
      reconcile-members  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
      subscribe          = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}
