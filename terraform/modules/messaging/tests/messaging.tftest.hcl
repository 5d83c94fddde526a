mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

override_resource {
  target          = module.echo_queues.aws_sqs_queue.failure[0]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-dead-letter.fifo" }
}

override_resource {
  target          = module.echo_queues.aws_sqs_queue.this["silo-gold"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-silo-gold.fifo" }
}

override_resource {
  target          = module.echo_queues.aws_sqs_queue.this["pooled"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-pooled.fifo" }
}

override_resource {
  target          = module.forward_queues.aws_sqs_queue.this["hub"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-forward-hub.fifo", url = "https://sqs/loudhailer-test-forward-hub.fifo" }
}

override_resource {
  target          = module.forward_queues.aws_sqs_queue.this["north"]
  override_during = plan
  values          = { arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-forward-north.fifo" }
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    default_route = { timeout = 5, memory = 512, reserved = null, provisioned = null }
    echo          = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    join_room     = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    presence      = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    relay_message = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    send_message  = { timeout = 10, memory = 512, reserved = null, provisioned = null }
  }
  settings      = { silo_tenants = ["gold"] }
  session_share = 0.25
  broadcast = {
    topic_arn         = "arn:aws:sns:us-east-1:111111111111:loudhailer-test-broadcast"
    keys              = 16
    lifetime_seconds  = 300
    dead_letter_queue = { url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-dead-letter", arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-dead-letter" }
  }
  leave_queue      = { url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-leave", arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-leave" }
  disconnect_queue = { url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-disconnect", arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-disconnect" }
  tables = {
    broadcasts  = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
    connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections", stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/stream/1", by_room_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/index/room" }
    devices     = { name = "devices", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices" }
    limits      = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
    places      = { name = "places", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/places" }
    sessions    = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
  }
  websocket_api = jsondecode(file("../../testing/values.json")).websocket_api
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # The pool and every silo have a queue of high throughput, whose failed frames stay parts of their groups.
  assert {
    condition = { for key, queue in module.echo_queues.queues : key => queue.name } == {
      pooled    = "loudhailer-test-pooled.fifo"
      silo-gold = "loudhailer-test-silo-gold.fifo"
    }
    error_message = "There must be one FIFO queue for the pool and one for each silo."
  }
  assert {
    condition     = module.echo_queues.failure_queue.arn == "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-dead-letter.fifo"
    error_message = "Frames that every worker failed on must be kept in a FIFO queue."
  }

  # A route names its queue and the queues it may select.
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

  # Records and messages are read in order without loss.
  assert {
    condition = {
      for table, mapping in aws_lambda_event_source_mapping.presence : table => [
        for filter in one(mapping.filter_criteria).filter : jsondecode(filter.pattern)
      ]
      } == {
      connections = [
        { eventName = ["INSERT"], dynamodb = { NewImage = { playerId = { S = [{ exists = true }] } } } },
        { eventName = ["MODIFY", "REMOVE"], dynamodb = { OldImage = { roomKey = { S = [{ exists = true }] } } } },
        { eventName = ["REMOVE"], dynamodb = { OldImage = { subscribes = { BOOL = [true] } } } },
      ]
      messages = [{ eventName = ["INSERT"] }]
    }
    error_message = "New connections of players, changes of those in rooms, ends of those with subscriptions, and new messages must be read, and nothing else."
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
    condition     = module.inbox_queue.queues["inbox"].name == "loudhailer-test-inbox.fifo"
    error_message = "The wakes of an inbox must follow one another."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.relay_message.recursive_loop == "Allow"
    error_message = "Lambda must not take a wake that is handed on for a loop."
  }
  assert {
    condition = alltrue([
      for mapping in aws_lambda_event_source_mapping.presence :
      mapping.maximum_retry_attempts == -1 && mapping.maximum_record_age_in_seconds == 3600
    ])
    error_message = "A record must be given up for its age, an hour, and never because it was tried often in a short time."
  }

  # The messages table has the documented keys and is protected.
  assert {
    condition     = [aws_dynamodb_table.messages.hash_key, aws_dynamodb_table.messages.range_key] == ["inbox", "messageId"]
    error_message = "The keys must be those of the design."
  }
  assert {
    condition     = aws_dynamodb_table.messages.ttl[0].attribute_name == "expiresAt" && aws_dynamodb_table.messages.stream_view_type == "NEW_IMAGE"
    error_message = "Messages must expire, and the stream must contain the row of a new one."
  }
  assert {
    condition = (
      aws_dynamodb_table.messages.point_in_time_recovery[0].enabled && aws_dynamodb_table.messages.deletion_protection_enabled
      && aws_dynamodb_table.messages.billing_mode == "PAY_PER_REQUEST"
    )
    error_message = "Messages must be recoverable, protected and on demand."
  }
}

run "the_pool_exists_without_silos" {
  command = plan

  variables {
    settings = { silo_tenants = [] }
  }

  assert {
    condition     = keys(output.echo_queues) == ["pooled"]
    error_message = "The pool must be there without any silo."
  }
}

run "an_illegal_tenant_id_is_refused" {
  command = plan

  variables {
    settings = { silo_tenants = ["gold#1"] }
  }

  expect_failures = [var.settings]
}

run "a_tenant_with_an_overlong_queue_name_is_refused" {
  command = plan

  variables {
    settings = { silo_tenants = ["a-tenant-with-an-id-of-sixty-four-characters-which-is-legal-else"] }
  }

  expect_failures = [var.settings]
}

run "tenants_that_differ_in_case_alone_are_refused" {
  command = plan

  variables {
    settings = { silo_tenants = ["gold", "Gold"] }
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

run "an_attempt_shorter_than_its_function_is_refused" {
  command = plan

  variables {
    functions = {
      default_route = { timeout = 5, memory = 512, reserved = null, provisioned = null }
      echo          = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      join_room     = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      presence      = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      relay_message = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      send_message  = { timeout = 15, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "a_consumer_with_an_overlong_name_is_refused" {
  command = plan

  variables {
    settings = { silo_tenants = ["a-tenant-with-an-id-of-thirty-seven-characters"] }
  }

  expect_failures = [var.settings]
}

run "an_inbox_without_a_lifetime_is_refused" {
  command = plan

  variables {
    settings = { inbox_lifetime_seconds = 0 }
  }

  expect_failures = [var.settings]
}

run "an_inbox_without_room_is_refused" {
  command = plan

  variables {
    settings = { messages_per_inbox = 0 }
  }

  expect_failures = [var.settings]
}

run "nothing_is_forwarded_without_further_cells" {
  command = plan

  assert {
    condition     = length(module.forward_message) + length(module.forward_queues.queues) + length(module.cell_roles.roles) + length(module.hub_role.roles) == 0
    error_message = "A hub alone has no queue, function or role for other cells."
  }
  assert {
    condition     = length(setintersection([for statement in module.relay_message.statements : statement.Sid], ["ActInTheHub", "FindPlayers", "HandOver"])) == 0
    error_message = "relay_message must have no permission for other cells."
  }
}

run "a_hub_forwards_messages_between_its_cells" {
  command = plan

  variables {
    cells = { declared = { north = { account_id = "444444444444", external_id = "north-1" } }, json = "{}" }
    functions = {
      default_route   = { timeout = 5, memory = 512, reserved = null, provisioned = null }
      echo            = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      forward_message = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      join_room       = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      presence        = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      relay_message   = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      send_message    = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    }
    tables = {
      broadcasts  = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
      connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections", stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/stream/1", by_room_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/index/room" }
      devices     = { name = "devices", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices" }
      limits      = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
      places      = { name = "places", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/places" }
      sessions    = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
      tenants     = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
      placements  = { name = "placements", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/placements" }
    }
  }

  assert {
    condition = { for cell, queue in module.forward_queues.queues : cell => queue.name } == {
      hub   = "loudhailer-test-forward-hub.fifo"
      north = "loudhailer-test-forward-north.fifo"
    }
    error_message = "Each cell must have a FIFO queue, which says which cell asks."
  }
  assert {
    condition     = aws_lambda_function_recursion_config.forward_message[0].recursive_loop == "Allow"
    error_message = "forward_message may send requests to the queues that it reads."
  }
  assert {
    condition = jsonencode(jsondecode(module.cell_roles.roles.north.trust).Statement[0].Condition) == jsonencode({
      ArnEquals    = { "aws:PrincipalArn" = "arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-relay_message" }
      StringEquals = { "sts:ExternalId" = "north-1" }
    })
    error_message = "The cell's relay_message, and nobody else there, must be trusted."
  }
  assert {
    condition = jsonencode([for statement in jsondecode(module.cell_roles.roles.north.policy).Statement : [statement.Action, statement.Resource]]) == jsonencode([
      [["dynamodb:BatchGetItem"], ["arn:aws:dynamodb:us-east-1:111111111111:table/placements"]],
      [["sqs:SendMessage"], ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-forward-north.fifo"]],
    ])
    error_message = "A cell may read placements and send to its own queue, and nothing else."
  }
  assert {
    condition = jsonencode([for statement in module.relay_message.statements : statement.Resource if statement.Sid == "HandOver"]) == jsonencode([
      ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-forward-hub.fifo"],
    ])
    error_message = "The hub's own relay_message sends to its own queue."
  }
  assert {
    condition = jsonencode([
      for statement in module.relay_message.statements : statement.Condition["ForAllValues:StringLike"] if statement.Sid == "FindPlayers"
    ]) == jsonencode([{ "dynamodb:LeadingKeys" = ["$${aws:PrincipalTag/tenantId}#*"] }])
    error_message = "The hub's own relay_message reads placements of one tenant at a time."
  }
  assert {
    condition = jsonencode([for statement in module.forward_message[0].statements : statement.Resource if statement.Sid == "ActInCells"]) == jsonencode([
      ["arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-hub-messages"],
    ])
    error_message = "forward_message acts in the role that the hub has in each cell."
  }
}

run "a_further_cell_permits_the_hub_to_forward_messages" {
  command = plan

  variables {
    hub = {
      name           = "north"
      hub_region     = "eu-south-1"
      hub_account_id = "555555555555"
      role           = { external_id = "north-1" }
      messages = {
        role_arn         = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-cell-north-messages"
        queue_url        = "https://sqs.eu-south-1.amazonaws.com/555555555555/loudhailer-test-forward-north.fifo"
        placements_table = "loudhailer-test-placements"
      }
    }
  }

  assert {
    condition = jsonencode(jsondecode(module.hub_role.roles.hub.trust).Statement[0].Condition) == jsonencode({
      ArnEquals    = { "aws:PrincipalArn" = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-forward_message" }
      StringEquals = { "sts:ExternalId" = "north-1" }
    })
    error_message = "The hub's forward_message, and nobody else there, must be trusted."
  }
  assert {
    condition     = join(" ", [for statement in jsondecode(module.hub_role.roles.hub.policy).Statement : statement.Sid]) == "KeepInboxes TakePlaceInInbox"
    error_message = "The hub reaches inboxes and their places."
  }
  assert {
    condition = jsonencode([for statement in module.relay_message.statements : statement.Resource if statement.Sid == "ActInTheHub"]) == jsonencode([
      ["arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-cell-north-messages"],
    ])
    error_message = "relay_message acts in the cell's role in the hub."
  }
  assert {
    condition     = length(module.forward_message) + length(module.forward_queues.queues) == 0
    error_message = "The hub alone forwards."
  }
}

run "a_further_cell_of_a_hub_of_the_former_release_forwards_nothing" {
  command = plan

  variables {
    hub = { name = "north", hub_region = "eu-south-1", hub_account_id = "555555555555", role = { external_id = "north-1" } }
  }

  assert {
    condition     = length(module.hub_role.roles) == 0 && length([for statement in module.relay_message.statements : statement if statement.Sid == "ActInTheHub"]) == 0
    error_message = "Its relay_message works as without further cells, until the hub has the queues."
  }
}
