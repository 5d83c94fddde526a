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
    { for cell, queue in module.forward_queues.queues : "HandOver" => { actions = ["sqs:SendMessage"], resources = [queue.arn] } if cell == "hub" },
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
module "cell_roles" {
  source = "../roles_for_other_accounts"

  deployment = var.deployment
  roles = {
    for name, cell in local.further_cells : name => {
      name        = "cell-${name}-messages"
      account_id  = cell.account_id
      functions   = ["relay_message"]
      external_id = cell.external_id
      policy_name = "messages"
      statements = {
        FindPlayers = {
          actions   = ["dynamodb:BatchGetItem"]
          resources = [var.tables.placements.arn]
        }
        HandOver = {
          actions   = ["sqs:SendMessage"]
          resources = [module.forward_queues.queues[name].arn]
        }
      }
    }
  }
}

# In a further cell: only the hub's `forward_message` puts messages into inboxes here and deletes them.
module "hub_role" {
  source = "../roles_for_other_accounts"

  deployment = var.deployment
  roles = {
    for hub in var.hub[*] : "hub" => {
      name        = "hub-messages"
      account_id  = hub.hub_account_id
      functions   = ["forward_message"]
      external_id = hub.role.external_id
      policy_name = "messages"
      statements  = local.keep_inboxes
    } if local.has_hub
  }
}

moved {
  from = aws_iam_role.cell
  to   = module.cell_roles.aws_iam_role.this
}

moved {
  from = aws_iam_role_policy.cell
  to   = module.cell_roles.aws_iam_role_policy.this
}

moved {
  from = aws_iam_role.hub[0]
  to   = module.hub_role.aws_iam_role.this["hub"]
}

moved {
  from = aws_iam_role_policy.hub[0]
  to   = module.hub_role.aws_iam_role_policy.this["hub"]
}
