# The most that a role made by CI can do, whatever its own policy says: the actions of functions, on resources with the
# deployment's name, in this account, and in the accounts that the stack's functions reach. So a change of the code that
# creates roles cannot create a role with more permissions.
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
  roles_of_hub = "arn:${local.partition}:iam::${var.hub_account_id}:role/${local.prefix}/${local.prefix}"

  # Roles, queues and topics of other accounts that the stack's functions and its apply reach.
  elsewhere = {
    # `session_api` and `forward_message` act in roles of the further cells' accounts.
    hub = {
      roles = flatten([
        for cell in var.cells : [
          for name in ["hub", "hub-messages"] : "arn:${local.partition}:iam::${cell.account_id}:role/${local.prefix}/${local.prefix}-${name}"
        ]
      ])
      queues = []
      topics = []
    }
    # `beat`, `report` and `relay_message` act in roles of the hub's account. The queue of broadcasts subscribes to its topic.
    cell = {
      roles  = ["${local.roles_of_hub}-cell-*"]
      queues = []
      topics = ["arn:${local.partition}:sns:*:${var.hub_account_id}:${local.prefix}-broadcast"]
    }
    # `post_message` reads the hub's queues, and acts in a role of the hub's account to send to them.
    subscriber = {
      roles  = ["${local.roles_of_hub}-subscriber-*"]
      queues = ["arn:${local.partition}:sqs:${var.region}:${var.hub_account_id}:${local.prefix}-shard-*"]
      topics = []
    }
  }[local.stack]

  # Only the operator's role calls the HTTP API, and only a hub has that role and that API. AWS chooses the API's id
  # after this policy is there, so its routes are named.
  call_http_api = {
    for stack in ["hub"] : "Api" => {
      actions = ["execute-api:Invoke"]
      resources = [
        for route in ["POST/broadcast", "GET/broadcast/*", "PUT/session"] :
        "arn:${local.partition}:execute-api:${var.region}:${var.account_id}:*/$default/${route}"
      ]
    } if stack == local.stack
  }

  boundary = merge(local.call_http_api, {
    Tables = {
      actions = [
        "dynamodb:BatchGetItem", "dynamodb:BatchWriteItem", "dynamodb:ConditionCheckItem", "dynamodb:DeleteItem",
        "dynamodb:DescribeStream", "dynamodb:GetItem", "dynamodb:GetRecords", "dynamodb:GetShardIterator",
        "dynamodb:ListStreams", "dynamodb:PartiQLDelete", "dynamodb:PartiQLUpdate", "dynamodb:PutItem", "dynamodb:Query",
        "dynamodb:Scan", "dynamodb:UpdateItem",
      ]
      resources = [local.named.table]
    }
    Queues = {
      actions = [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage", "sqs:SendMessage",
      ]
      resources = concat([local.named.queue], local.elsewhere.queues)
    }
    Roles = {
      actions   = ["sts:AssumeRole", "sts:TagSession"]
      resources = concat([local.named.role], local.elsewhere.roles)
    }
    Topics = {
      actions   = ["sns:Publish"]
      resources = [local.named.topic]
    }
    Connections = {
      actions   = ["execute-api:ManageConnections"]
      resources = ["arn:${local.partition}:execute-api:${var.region}:${var.account_id}:*"]
    }
    # The operator's role sees the functions' settings and finds the deployment.
    Functions = {
      actions   = ["lambda:GetFunctionConfiguration"]
      resources = [local.named.function]
    }
    Mappings = {
      actions   = ["lambda:ListEventSourceMappings"]
      resources = ["*"]
    }
    Parameters = {
      actions   = ["ssm:GetParameter"]
      resources = [local.named.parameter]
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
  })
}
