mock_provider "aws" {
  override_during = plan
}

variables {
  prefix = "loudhailer-test"
}

run "the_partition_leads_the_key_of_a_connection" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.connections.hash_key == "partition" && aws_dynamodb_table.connections.range_key == "connectionId"
    error_message = "The key must be partition and connectionId."
  }
}

run "a_partition_is_never_split" {
  command = plan

  assert {
    condition     = one(aws_dynamodb_table.connections.local_secondary_index).range_key == "neverWritten"
    error_message = "A local index, on an attribute that is never written, must keep item collections whole."
  }
}

run "the_stream_tells_what_was_and_what_is" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.connections.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "Accounting needs the old row of a connection that went away."
  }
}

run "connections_are_found_by_room" {
  command = plan

  assert {
    condition = {
      for index in aws_dynamodb_table.connections.global_secondary_index : index.name => [index.hash_key, index.projection_type]
      } == {
      room = ["roomIndexKey", "KEYS_ONLY"]
    }
    error_message = "The index must be room, with keys only."
  }
}

run "a_players_connections_are_found_without_an_index" {
  command = plan

  assert {
    condition     = aws_dynamodb_table.devices.hash_key == "player" && aws_dynamodb_table.devices.range_key == "connectionId"
    error_message = "The key must be player and connectionId, so that a read of a player is consistent."
  }
}

run "connections_expire" {
  command = plan

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.devices] :
      table.ttl[0].enabled && table.ttl[0].attribute_name == "expiresAt"
    ])
    error_message = "A connection whose $disconnect was lost must expire."
  }
}

run "tables_are_paid_by_request_and_protected_from_deletion" {
  command = plan

  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.devices, aws_dynamodb_table.partitions] :
      table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
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
