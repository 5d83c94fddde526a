# The role of the operator's commands: their calls, on the deployment's own resources. Without operators there is none.
resource "aws_iam_role" "operator" {
  count = length(var.operators) > 0 ? 1 : 0

  name                 = "${var.deployment.prefix}-operator"
  path                 = "/${var.deployment.prefix}/"
  description          = "Runs the commands of `loudhailer --environment ${var.deployment.environment}`."
  permissions_boundary = var.deployment.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = sort(var.operators) }
    }]
  })
}

resource "aws_iam_role_policy" "operator" {
  count = length(var.operators) > 0 ? 1 : 0

  name = "operator"
  role = aws_iam_role.operator[0].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in local.statements :
      { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }
    ]
  })
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  place = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  arn   = "arn:${data.aws_partition.current.partition}"

  statements = merge(local.statements_of_tables, {
    FindTheDeployment = {
      actions   = ["ssm:GetParameter"]
      resources = ["${local.arn}:ssm:${local.place}:parameter/${var.deployment.prefix}/deployment"]
    }
    SeeFunctions = {
      actions   = ["lambda:GetFunctionConfiguration"]
      resources = [for name in sort(values(var.functions)) : "${local.arn}:lambda:${local.place}:function:${name}"]
    }
    # A list is of all: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    ListMappings = {
      actions   = ["lambda:ListEventSourceMappings"]
      resources = ["*"]
    }
    ReadLogs = {
      actions = ["logs:FilterLogEvents"]
      resources = [
        for name in sort(values(var.functions)) : "${local.arn}:logs:${local.place}:log-group:/aws/lambda/${name}:*"
      ]
    }
    # `broadcast` and `session`, where the routes demand signatures.
    CallTheHttpApi = {
      actions = ["execute-api:Invoke"]
      resources = [
        for route in ["POST/broadcast", "GET/broadcast/*", "PUT/session", "DELETE/session"] :
        "${local.arn}:execute-api:${local.place}:${var.http_api_id}/$default/${route}"
      ]
    }
    SeeQueues = {
      actions   = ["sqs:GetQueueAttributes"]
      resources = [for name in local.names : var.queues[name].arn]
    }
    # `cancel` replaces the chunks that wait; `redrive` empties the dead-letter queues.
    TakeMessages = {
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = [for name in concat(local.chunk_queues, ["dead-letter", "dead-letter-fifo"]) : var.queues[name].arn]
    }
    # Back to where they came from.
    SendMessages = {
      actions   = ["sqs:SendMessage"]
      resources = [for name in concat(local.chunk_queues, local.sources) : var.queues[name].arn]
    }
    # `tenant delete` closes the connections that are in no session.
    CloseConnections = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.close_arn]
    }
  })

  statements_of_tables = {
    for table, actions in local.rows : "RowsOf${title(table)}" => {
      actions   = [for action in actions : "dynamodb:${action}"]
      resources = [var.tables[table].arn]
    }
  }

  # Rows that `status` counts, `tenant` keeps and erases, and `cancel` and `redrive` mark.
  rows = {
    broadcasts    = ["DeleteItem", "GetItem", "Query", "UpdateItem"]
    connections   = ["BatchGetItem", "DeleteItem", "PutItem", "Query"]
    devices       = ["DeleteItem", "Query"]
    limits        = ["BatchWriteItem", "GetItem", "Scan"]
    members       = ["BatchWriteItem", "Scan"]
    messages      = ["BatchWriteItem", "Query"]
    partitions    = ["Query", "UpdateItem"]
    places        = ["BatchWriteItem", "Query"]
    sessions      = ["DeleteItem", "Query"]
    subscriptions = ["BatchWriteItem", "Scan"]
    tenants       = ["GetItem", "PutItem", "Scan", "UpdateItem"]
  }

  names        = sort(keys(var.queues))
  chunk_queues = [for name in local.names : name if startswith(name, "shard-") || contains(["express", "rooms"], name)]
  sources      = [for name in local.names : name if startswith(name, "silo-") || contains(["broadcast", "outcome", "partition", "pooled"], name)]
}
