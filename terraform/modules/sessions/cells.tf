# Two tables for further cells: their leases and an operator's orders, and the cell of each session and player.

# The key is `key` and `part`; the rows are in shared/loudhailer/cells. All rows are written again within seconds,
# except an operator's orders and the revision of the tenants.
resource "aws_dynamodb_table" "cells" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  count = var.cells == null ? 0 : 1

  name                        = "${var.deployment.prefix}-cells"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key"
  range_key                   = "part"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "key"
    type = "S"
  }

  attribute {
    name = "part"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_dynamodb_table" "placements" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  count = var.cells == null ? 0 : 1

  name                        = "${var.deployment.prefix}-placements"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key"
  range_key                   = "part"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "key"
    type = "S"
  }

  attribute {
    name = "part"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  # Without the rows of a tenant's cells, its broadcasts would not reach its clients.
  point_in_time_recovery {
    enabled = true
  }
}

data "aws_partition" "current" {}

locals {
  # The hub's role in each cell, with the hub's prefix; the function inserts the account.
  cell_role_arn = join(":", [
    "arn", data.aws_partition.current.partition, "iam", "", "{accountId}", "role/${var.deployment.prefix}/${var.deployment.prefix}-hub",
  ])

  # A function that was killed leaves its message invisible for six timeouts; the rest is for its second attempt.
  report_grace_seconds = var.cells == null ? null : 60 + 6 * max([
    for name in ["swarm", "query", "post_message", "post_message-rooms", "settle"] : var.functions[name].timeout
  ]...)

  place_on_cells = {
    for sid, statement in {
      ReadCells     = { actions = ["dynamodb:BatchGetItem"], resources = [try(aws_dynamodb_table.cells[0].arn, null)] }
      PlaceSessions = { actions = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem", "dynamodb:PutItem", "dynamodb:Query"], resources = [try(aws_dynamodb_table.placements[0].arn, null)] }
      ActInCells = {
        actions   = ["sts:AssumeRole"]
        resources = [for cell in try(var.cells.declared, {}) : replace(local.cell_role_arn, "{accountId}", cell.account_id)]
      }
    } : sid => statement if var.cells != null
  }
}
