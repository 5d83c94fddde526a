# Direct messages between cells. A further cell asks for messages to be forwarded, in a role that it has in the hub. The hub's
# `forward_message` reaches the inboxes of a further cell, in a role that it has there. No cell reaches another one.

data "aws_partition" "current" {}

locals {
  further_cells = try(var.cells.declared, {})

  # The cells of a hub that has further ones, its own included.
  cells = var.cells == null ? [] : toset(concat(["hub"], keys(local.further_cells)))

  # A further cell whose hub is of the former release forwards nothing yet.
  has_hub   = try(var.hub.messages, null) != null
  cell_name = local.has_hub ? var.hub.name : var.cells == null ? null : "hub"

  # The hub's role in each cell, with the hub's prefix; the function inserts the account.
  cell_role_arn = join(":", [
    "arn", data.aws_partition.current.partition, "iam", "", "{accountId}",
    "role/${var.deployment.prefix}/${var.deployment.prefix}-hub-messages",
  ])

  # Permissions on inboxes: of forward_message itself in the hub's own cell, of the hub's role in a further cell.
  keep_inboxes = {
    KeepInboxes = {
      actions   = ["dynamodb:BatchWriteItem", "dynamodb:PutItem", "dynamodb:Query"]
      resources = [local.messages.arn]
    }
    TakePlaceInInbox = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.places.arn]
    }
  }

  # Permissions of relay_message; in a further cell, it finds players in its role in the hub.
  hand_over = merge(
    { for cell, queue in aws_sqs_queue.forward : "HandOver" => { actions = ["sqs:SendMessage"], resources = [queue.arn] } if cell == "hub" },
    { for messages in try(var.hub.messages, null)[*] : "ActInTheHub" => { actions = ["sts:AssumeRole"], resources = [messages.role_arn] } },
  )
  find_players = {
    for placements in [try(var.tables.placements, null)] : "FindPlayers" => {
      actions      = ["dynamodb:BatchGetItem"]
      resources    = [placements.arn]
      leading_keys = ["{tenantId}#*"]
    } if var.cells != null
  }
}

# In the hub, one for each further cell.
resource "aws_iam_role" "cell" {
  for_each = local.further_cells

  name                 = "${var.deployment.prefix}-cell-${each.key}-messages"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # The account is the principal, the role a condition: as for a subscriber.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${each.value.account_id}:root" }
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = join(":", [
          "arn", data.aws_partition.current.partition, "iam", "", each.value.account_id,
          "role/${var.deployment.prefix}/${var.deployment.prefix}-relay_message",
        ]) }
        StringEquals = { "sts:ExternalId" = each.value.external_id }
      }
    }]
  })
}

resource "aws_iam_role_policy" "cell" {
  for_each = local.further_cells

  name = "messages"
  role = aws_iam_role.cell[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "FindPlayers"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem"]
        Resource = [var.tables.placements.arn]
      },
      {
        Sid      = "HandOver"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.forward[each.key].arn]
      },
    ]
  })
}

# In a further cell: only the hub's `forward_message` puts messages into inboxes here and deletes them.
resource "aws_iam_role" "hub" {
  count = local.has_hub ? 1 : 0

  name                 = "${var.deployment.prefix}-hub-messages"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.hub.hub_account_id}:root" }
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = join(":", [
          "arn", data.aws_partition.current.partition, "iam", "", var.hub.hub_account_id,
          "role/${var.deployment.prefix}/${var.deployment.prefix}-forward_message",
        ]) }
        StringEquals = { "sts:ExternalId" = var.hub.role.external_id }
      }
    }]
  })
}

resource "aws_iam_role_policy" "hub" {
  count = local.has_hub ? 1 : 0

  name = "messages"
  role = aws_iam_role.hub[0].id

  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for sid, statement in local.keep_inboxes : { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }]
  })
}
