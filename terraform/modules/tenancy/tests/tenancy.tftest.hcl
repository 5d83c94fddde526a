mock_provider "aws" {
  override_during = plan
}

variables {
  prefix = "loudhailer-test"
}

run "rows_have_the_keys_of_the_design" {
  command = plan

  assert {
    condition = {
      for name, table in {
        tenants  = aws_dynamodb_table.tenants
        sessions = aws_dynamodb_table.sessions
        limits   = aws_dynamodb_table.limits
        messages = aws_dynamodb_table.messages
        places   = aws_dynamodb_table.places
      } : name => compact([table.hash_key, table.range_key])
      } == {
      tenants  = tolist(["tenantId"])
      sessions = tolist(["tenantId", "sessionId"])
      limits   = tolist(["key"])
      messages = tolist(["inbox", "messageId"])
      places   = tolist(["tenantId", "place"])
    }
    error_message = "The keys must be those of the design."
  }
}

run "what_is_forgotten_has_a_time_to_live" {
  command = plan

  assert {
    condition = [
      for table in [aws_dynamodb_table.sessions, aws_dynamodb_table.limits, aws_dynamodb_table.messages, aws_dynamodb_table.places] :
      table.ttl[0].attribute_name
    ] == ["sessionTTL", "itemTTL", "expiresAt", "expiresAt"]
    error_message = "Sessions, limits, messages and places must expire."
  }
}

run "streams_tell_of_ended_sessions_and_new_messages" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.sessions.stream_view_type == "NEW_AND_OLD_IMAGES" && aws_dynamodb_table.messages.stream_view_type == "NEW_IMAGE"
    error_message = "A session's end needs its old row, a message its new one."
  }
}

run "what_cannot_be_made_again_is_recovered_to_a_point_in_time" {
  command = plan

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.tenants, aws_dynamodb_table.sessions, aws_dynamodb_table.messages] :
      table.point_in_time_recovery[0].enabled
    ])
    error_message = "Tenants, sessions and messages must be recoverable."
  }
}

run "tables_are_protected_from_deletion" {
  command = plan

  assert {
    condition = alltrue([
      for table in [
        aws_dynamodb_table.tenants, aws_dynamodb_table.sessions, aws_dynamodb_table.limits, aws_dynamodb_table.messages,
        aws_dynamodb_table.places,
      ] : table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
    ])
    error_message = "Tables must be on demand and protected unless told otherwise."
  }
}

run "an_upper_case_prefix_is_refused" {
  command = plan

  variables {
    prefix = "Loudhailer"
  }

  expect_failures = [var.prefix]
}
