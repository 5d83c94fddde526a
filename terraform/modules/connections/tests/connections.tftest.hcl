mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    accounting = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    authorizer = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    connect    = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    disconnect = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    reconcile  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
  }
  session_share = 0.25
  tables = {
    limits   = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
    sessions = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
    tenants  = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
  }
  websocket_api = jsondecode(file("../../testing/values.json")).websocket_api
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # The partition leads the key of a connection.
  assert {
    condition     = aws_dynamodb_table.connections.hash_key == "partition" && aws_dynamodb_table.connections.range_key == "connectionId"
    error_message = "The key must be partition and connectionId."
  }

  # A partition is never split.
  assert {
    condition     = one(aws_dynamodb_table.connections.local_secondary_index).range_key == "neverWritten"
    error_message = "A local index, on an attribute that is never written, must keep item collections whole."
  }

  # The stream has old and new images.
  assert {
    condition     = aws_dynamodb_table.connections.stream_view_type == "NEW_AND_OLD_IMAGES"
    error_message = "Accounting needs the old row of a connection that went away."
  }

  # Connections are found by room.
  assert {
    condition = {
      for index in aws_dynamodb_table.connections.global_secondary_index : index.name => [index.hash_key, index.projection_type]
      } == {
      room = ["roomIndexKey", "KEYS_ONLY"]
    }
    error_message = "The index must be room, with keys only."
  }

  # A player's connections are found without an index.
  assert {
    condition     = aws_dynamodb_table.devices.hash_key == "player" && aws_dynamodb_table.devices.range_key == "connectionId"
    error_message = "The key must be player and connectionId, so that a read of a player is consistent."
  }

  # Connections expire.
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.devices] :
      table.ttl[0].enabled && table.ttl[0].attribute_name == "expiresAt"
    ])
    error_message = "A connection whose $disconnect was lost must expire."
  }

  # Tables are paid by request and protected from deletion.
  assert {
    condition = alltrue([
      for table in [aws_dynamodb_table.connections, aws_dynamodb_table.devices, aws_dynamodb_table.partitions] :
      table.billing_mode == "PAY_PER_REQUEST" && table.deletion_protection_enabled
    ])
    error_message = "Tables must be on demand, and protected by default."
  }
}

run "a_reserved_connect_without_a_reserved_authorizer_is_refused" {
  command = plan

  variables {
    functions = {
      accounting = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      authorizer = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      connect    = { timeout = 10, memory = 512, reserved = 100, provisioned = null }
      disconnect = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      reconcile  = { timeout = 60, memory = 512, reserved = null, provisioned = null }
    }
  }

  expect_failures = [var.functions]
}

run "a_partition_of_six_digits_is_refused" {
  command = plan

  variables {
    settings = { max_partitions = 1e5 }
  }

  expect_failures = [var.settings]
}

run "a_counting_window_of_a_minute_is_refused" {
  command = plan

  variables {
    settings = { accounting_window = 60 }
  }

  expect_failures = [var.settings]
}

run "a_partition_without_connections_is_refused" {
  command = plan

  variables {
    settings = { connections_per_partition = 0 }
  }

  expect_failures = [var.settings]
}

run "the_hub_of_further_cells_reads_their_leases_to_divide_limits" {
  command = plan

  variables {
    cells = { weights = "{\"hub\":1,\"north\":2}", home_connections = 20000, lease_seconds = 15 }
    tables = {
      limits   = { name = "limits", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits" }
      sessions = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
      tenants  = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
      cells    = { name = "cells", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/cells" }
    }
  }

  assert {
    condition = [
      for statement in module.authorizer.role.policy.Statement : jsonencode(statement.Action) if contains(statement.Resource, "arn:aws:dynamodb:us-east-1:111111111111:table/cells")
    ] == [jsonencode(["dynamodb:BatchGetItem"])]
    error_message = "The authorizer reads the table of cells, and does nothing else with it."
  }
}

run "one_cell_reads_no_leases" {
  command = plan

  assert {
    condition     = !strcontains(jsonencode(module.authorizer.role.policy), "BatchGetItem")
    error_message = "Without further cells there is no table of them."
  }
}
