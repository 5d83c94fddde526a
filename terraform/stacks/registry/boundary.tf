# The most that a role made by CI can do, whatever its own policy says: what functions do, on what bears the deployment's
# name, in this account and in the hub's. So a change of the code that creates roles cannot create a role with more
# permissions.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/access_policies_boundaries.html
resource "aws_iam_policy" "boundary" {
  #checkov:skip=CKV_AWS_290:a boundary grants nothing; API Gateway's role for logs has AWS's own policy, for all log groups
  #checkov:skip=CKV_AWS_355:for the same reason; and X-Ray knows no resource for its actions
  name        = "${local.prefix}-boundary"
  path        = "/ci/"
  description = "The most that roles of ${local.prefix} can do."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in local.boundary : { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }
    ]
  })
}

locals {
  hub_elsewhere = local.stack == "hub" ? [] : [var.hub_account_id]

  boundary = {
    Tables = {
      actions = [
        "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
        "dynamodb:DescribeStream", "dynamodb:GetItem", "dynamodb:GetRecords", "dynamodb:GetShardIterator",
        "dynamodb:ListStreams", "dynamodb:PartiQLDelete", "dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:Query",
        "dynamodb:Scan", "dynamodb:UpdateItem",
      ]
      resources = [local.named.table]
    }
    # A subscriber's functions read the hub's queues, and take a role of the hub's to send to them.
    Queues = {
      actions = [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
      ]
      resources = concat([local.named.queue], [
        for id in local.hub_elsewhere : "arn:${local.partition}:sqs:${var.region}:${id}:${local.prefix}-shard-*"
      ])
    }
    Roles = {
      actions = ["sts:AssumeRole", "sts:TagSession"]
      resources = concat([local.named.role], [
        for id in local.hub_elsewhere : "arn:${local.partition}:iam::${id}:role/${local.prefix}/${local.prefix}-subscriber-*"
      ])
    }
    Topics = {
      actions   = ["sns:Publish"]
      resources = [local.named.topic]
    }
    Connections = {
      actions   = ["execute-api:ManageConnections"]
      resources = ["arn:${local.partition}:execute-api:${var.region}:${var.account_id}:*"]
    }
    # API Gateway's role for logs must have AWS's own policy, which is for all log groups.
    Logs = {
      actions = [
        "logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams",
        "logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents",
      ]
      resources = ["*"]
    }
    Traces = {
      actions   = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources = ["*"]
    }
  }
}
