mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    end_session = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    session_api = { timeout = 10, memory = 512, reserved = null, provisioned = null }
  }
  api = {
    session_auth = "iam"
    tenant_claim = "tenantId"
    list_tenants = false
    connects     = { per_second = 500, reserve = 0.03 }
    silo_tenants = ["gold"]
  }
  tables = {
    broadcasts  = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
    connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections" }
  }
  websocket_api = jsondecode(file("../../testing/values.json")).websocket_api
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Tables have the documented keys.
  assert {
    condition = {
      for name, table in {
        tenants  = aws_dynamodb_table.tenants
        sessions = aws_dynamodb_table.sessions
        limits   = aws_dynamodb_table.limits
        places   = aws_dynamodb_table.places
      } : name => compact([table.hash_key, table.range_key])
      } == {
      tenants  = tolist(["tenantId"])
      sessions = tolist(["tenantId", "sessionId"])
      limits   = tolist(["key"])
      places   = tolist(["tenantId", "place"])
    }
    error_message = "The keys must be those of the design."
  }

  # Expiring rows have a time to live.
  assert {
    condition = [
      for table in [aws_dynamodb_table.sessions, aws_dynamodb_table.limits, aws_dynamodb_table.places] :
      table.ttl[0].attribute_name
    ] == ["sessionTTL", "itemTTL", "expiresAt"]
    error_message = "Sessions, limits and places must expire."
  }

  # The stream reports ended sessions.
  assert {
    condition     = aws_dynamodb_table.sessions.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "A session's end needs its old row."
  }

  # Irreplaceable tables have point-in-time recovery.
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.tenants, aws_dynamodb_table.sessions] :
      table.point_in_time_recovery[0].enabled
    ])
    error_message = "Tenants and sessions must be recoverable."
  }

  # Tables are protected from deletion.
  assert {
    condition = alltrue([
      for table in [
        aws_dynamodb_table.tenants, aws_dynamodb_table.sessions, aws_dynamodb_table.limits, aws_dynamodb_table.places,
      ] : table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
    ])
    error_message = "Tables must be on demand, and protected by default."
  }

  # Records of ended sessions are read without loss.
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
    error_message = "Sessions whose connections cannot be closed must be reported."
  }
  assert {
    condition = (
      aws_lambda_event_source_mapping.end_session.maximum_retry_attempts == -1
      && aws_lambda_event_source_mapping.end_session.maximum_record_age_in_seconds == 3600
    )
    error_message = "A record must be given up for its age, an hour, and never because it was tried often in a short time."
  }

  # `session_api` reads reports and writes none.
  assert {
    condition = toset(flatten([
      for statement in module.session_api[0].role.policy.Statement : statement.Action if contains(statement.Resource, var.tables.broadcasts.arn)
    ])) == toset(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"])
    error_message = "session_api must read the table of broadcasts, and not write it."
  }
  assert {
    condition     = !strcontains(jsonencode(module.session_api[0].role.policy), "sns:")
    error_message = "session_api must not be allowed to publish."
  }

  # `session_api` lets clients in at the account's rate.
  assert {
    condition = flatten([
      for statement in module.session_api[0].role.policy.Statement : statement.Action if statement.Sid == "LetIn"
    ]) == ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    error_message = "session_api must extend the line of each cell, and keep the turns that it gives."
  }

  # A session's id must be a secret.
  assert {
    condition     = local.shortest_session_id == 22
    error_message = "Outside the environment local, session ids that can be guessed must be refused."
  }

  # Sessions are spread unless the former release runs.
  assert {
    condition     = local.spread_sessions
    error_message = "New sessions must be spread over keys."
  }

  # Tenants cannot be listed by default.
  assert {
    condition     = !strcontains(jsonencode(module.session_api[0].role.policy), "dynamodb:Scan")
    error_message = "Without list_tenants, session_api must not be allowed to scan the tenants."
  }

  # Placements do not exist without further cells.
  assert {
    condition     = join(" ", keys(output.tables)) == "limits places sessions tenants"
    error_message = "The tables are those of one cell."
  }
  assert {
    condition     = !strcontains(jsonencode(module.session_api[0].role.policy), "sts:")
    error_message = "session_api assumes no role."
  }
}

run "a_local_sessions_id_may_be_short" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "local"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      former_release       = false
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = null
    }
  }

  assert {
    condition     = local.shortest_session_id == 1
    error_message = "In the environment local, short session ids must be allowed."
  }
}

run "the_former_release_finds_new_sessions_while_it_runs" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      former_release       = true
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = null
    }
  }

  assert {
    condition     = !local.spread_sessions
    error_message = "New sessions must have the keys that the former release knows."
  }
}

run "tenants_can_be_listed_for_a_demonstration" {
  command = plan

  variables {
    api = {
      session_auth = "iam"
      tenant_claim = "tenantId"
      list_tenants = true
      connects     = { per_second = 500, reserve = 0.03 }
      silo_tenants = ["gold"]
    }
  }

  assert {
    condition     = strcontains(jsonencode(module.session_api[0].role.policy), "dynamodb:Scan")
    error_message = "With list_tenants, session_api must be allowed to scan the tenants."
  }

  assert {
    condition     = jsonencode(local.listed_silos) == jsonencode(["gold"])
    error_message = "With list_tenants, session_api must know whose silos there are."
  }
}

run "an_http_url_for_a_websocket_is_refused" {
  command = plan

  variables {
    websocket_api = {
      url               = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
      callback_endpoint = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
      close_arn         = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/DELETE/@connections/*"
      look_up_arn       = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/GET/@connections/*"
    }
  }

  expect_failures = [var.websocket_api]
}

run "sessions_are_placed_with_further_cells" {
  command = plan

  variables {
    functions = {
      end_session        = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      session_api        = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm              = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      query              = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message       = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      post_message-rooms = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      settle             = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
    cells = {
      declared         = { north = { account_id = "444444444444" }, south = { account_id = "666666666666" } }
      json             = "{}"
      hub_weight       = 1
      home_connections = 20000
      lease_seconds    = 15
    }
  }

  assert {
    condition     = join(" ", keys(output.tables)) == "cells limits placements places sessions tenants"
    error_message = "There are tables of cells and of placements."
  }
  assert {
    condition = jsonencode(flatten([
      for statement in module.session_api[0].role.policy.Statement : statement.Resource if contains(statement.Action, "sts:AssumeRole")
      ])) == jsonencode([
      "arn:aws:iam::444444444444:role/loudhailer-test/loudhailer-test-hub",
      "arn:aws:iam::666666666666:role/loudhailer-test/loudhailer-test-hub",
    ])
    error_message = "session_api acts in the hub's role in each cell."
  }
  assert {
    condition     = local.report_grace_seconds == 180
    error_message = "A report waits for six of the longest timeout, and a minute."
  }
}

run "a_further_cell_has_no_session_api" {
  command = plan

  variables {
    api = null
  }

  assert {
    condition     = join(" ", keys(output.functions)) == "end_session"
    error_message = "The hub opens its sessions."
  }
}

run "a_further_cell_permits_the_hub_to_keep_sessions" {
  command = plan

  variables {
    api = null
    functions = {
      beat        = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      end_session = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    }
    hub = {
      name           = "north"
      hub_region     = "us-east-1"
      hub_account_id = "555555555555"
      role           = { arn = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-cell-north", external_id = "north-1" }
      tables         = { cells = "loudhailer-test-cells", tenants = "loudhailer-test-tenants" }
      weights        = { hub = 1, north = 1 }
      placement      = { home_connections = 20000, beat_seconds = 5, lease_seconds = 15 }
    }
    tables = {
      broadcasts  = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
      connections = { name = "connections", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections" }
      partitions  = { name = "partitions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions" }
    }
  }

  assert {
    condition = jsonencode(jsondecode(module.hub_role.roles.hub.trust).Statement[0].Condition) == jsonencode({
      ArnEquals    = { "aws:PrincipalArn" = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-session_api" }
      StringEquals = { "sts:ExternalId" = "north-1" }
    })
    error_message = "The hub's session_api, and nobody else there, must be trusted."
  }
  assert {
    condition     = join(" ", [for statement in jsondecode(module.hub_role.roles.hub.policy).Statement : statement.Sid]) == "KeepSessions TakePlace"
    error_message = "It keeps sessions and their places, and does nothing else."
  }
}
