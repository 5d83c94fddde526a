# Further cells, each in an account of its own. Their queues subscribe to the topic. The role of a cell may write its
# snapshots and its lease, whose keys hold nothing else, and read the tenants.

locals {
  further_cells = try(var.cells.declared, {})

  # Composed from their parts, since they may not exist yet. A cell has the hub's prefix.
  cell_reporter_role_arns = {
    for name, cell in local.further_cells : name => [
      for function in ["beat", "report"] : join(":", [
        "arn", data.aws_partition.current.partition, "iam", "", cell.account_id,
        "role/${var.deployment.prefix}/${var.deployment.prefix}-${function}",
      ])
    ]
  }

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

resource "aws_iam_role" "cell" {
  for_each = local.further_cells

  name                 = "${var.deployment.prefix}-cell-${each.key}"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # The account is the principal, the roles a condition: as for a subscriber.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${each.value.account_id}:root" }
      Condition = {
        ArnEquals    = { "aws:PrincipalArn" = local.cell_reporter_role_arns[each.key] }
        StringEquals = { "sts:ExternalId" = each.value.external_id }
      }
    }]
  })
}

# LeadingKeys has only partition keys, and ForAllValues also holds for a request without any: Null demands one.
# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
resource "aws_iam_role_policy" "cell" {
  for_each = local.further_cells

  name = "cell"
  role = aws_iam_role.cell[each.key].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "TellOfBroadcasts"
        Effect   = "Allow"
        Action   = ["dynamodb:UpdateItem"]
        Resource = [local.broadcasts.arn]
        Condition = {
          "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["*#cell#${each.key}"] }
          Null                      = { "dynamodb:LeadingKeys" = "false" }
        }
      },
      {
        Sid      = "TellOfItself"
        Effect   = "Allow"
        Action   = ["dynamodb:UpdateItem"]
        Resource = [var.tables.cells.arn]
        Condition = {
          "ForAllValues:StringEquals" = { "dynamodb:LeadingKeys" = ["seen#${each.key}"] }
          Null                        = { "dynamodb:LeadingKeys" = "false" }
        }
      },
      {
        Sid      = "ReadCells"
        Effect   = "Allow"
        Action   = ["dynamodb:BatchGetItem", "dynamodb:GetItem"]
        Resource = [var.tables.cells.arn]
      },
      {
        Sid      = "CopyTenants"
        Effect   = "Allow"
        Action   = ["dynamodb:Scan"]
        Resource = [local.tenants.arn]
      },
    ]
  })
}
