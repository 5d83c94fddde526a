# Further cells, each in an account of its own. Their queues subscribe to the topic. The role of a cell may write its
# snapshots and its lease, whose keys hold nothing else, and read the tenants.

locals {
  further_cells = try(var.cells.declared, {})

  # https://docs.aws.amazon.com/sns/latest/dg/sns-send-message-to-sqs-cross-account.html
  cells_may_subscribe = [
    for place, name in keys(local.further_cells) : {
      Sid       = "CellMaySubscribe${place}"
      Effect    = "Allow"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${local.further_cells[name].account_id}:root" }
      Action    = "sns:Subscribe"
      Resource  = aws_sns_topic.broadcast.arn
      Condition = {
        StringEquals = {
          "sns:Protocol" = "sqs"
          "sns:Endpoint" = join(":", [
            "arn", data.aws_partition.current.partition, "sqs", local.further_cells[name].region,
            local.further_cells[name].account_id, "${var.deployment.prefix}-broadcast",
          ])
        }
      }
    }
  ]
}

# LeadingKeys has only partition keys, and ForAllValues also holds for a request without any: Null demands one.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
module "cell_roles" {
  source = "../roles_for_other_accounts"

  deployment = var.deployment
  roles = {
    for name, cell in local.further_cells : name => {
      name        = "cell-${name}"
      account_id  = cell.account_id
      functions   = ["beat", "report"]
      external_id = cell.external_id
      policy_name = "cell"
      statements = {
        TellOfBroadcasts = {
          actions   = ["dynamodb:UpdateItem"]
          resources = [local.broadcasts.arn]
          conditions = {
            "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["*#cell#${name}"] }
            Null                      = { "dynamodb:LeadingKeys" = ["false"] }
          }
        }
        TellOfItself = {
          actions   = ["dynamodb:UpdateItem"]
          resources = [var.tables.cells.arn]
          conditions = {
            "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["seen#${name}"] }
            Null                        = { "dynamodb:LeadingKeys" = ["false"] }
          }
        }
        ReadCells = {
          actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem"]
          resources = [var.tables.cells.arn]
        }
        CopyTenants = {
          actions   = ["dynamodb:Scan"]
          resources = [local.tenants.arn]
        }
      }
    }
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
