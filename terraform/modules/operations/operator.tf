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

  policy = local.policy

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  lifecycle {
    precondition {
      condition     = length(local.policy) <= 10240
      error_message = "The policy of the operator's role has more than the 10,240 characters that IAM takes for a role: shorten the prefix."
    }
  }
}

data "aws_caller_identity" "current" {}
data "aws_partition" "current" {}
data "aws_region" "current" {}

locals {
  place = "${data.aws_region.current.name}:${data.aws_caller_identity.current.account_id}"
  arn   = "arn:${data.aws_partition.current.partition}"

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in local.statements :
      { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }
    ]
  })

  statements = merge(local.statements_of_tables, {
    FindTheDeployment = {
      actions   = ["ssm:GetParameter"]
      resources = ["${local.arn}:ssm:${local.place}:parameter/${var.deployment.prefix}/deployment"]
    }
    SeeFunctions = {
      actions   = ["lambda:GetFunctionConfiguration"]
      resources = [for name in local.functions : "${local.arn}:lambda:${local.place}:function:${name}"]
    }
    # A list is of all: https://docs.aws.amazon.com/service-authorization/latest/reference/list_awslambda.html
    ListMappings = {
      actions   = ["lambda:ListEventSourceMappings"]
      resources = ["*"]
    }
    # The names of all groups, and what AWS appends to them.
    ReadLogs = {
      actions   = ["logs:FilterLogEvents"]
      resources = ["${local.arn}:logs:${local.place}:log-group:/aws/lambda/${var.deployment.prefix}-*"]
    }
    # `broadcast` and `session`, where the routes demand signatures.
    CallTheHttpApi = {
      actions = ["execute-api:Invoke"]
      resources = [
        for route in ["POST/broadcast", "GET/broadcast/*", "PUT/session"] :
        "${local.arn}:execute-api:${local.place}:${var.http_api_id}/$default/${route}"
      ]
    }
    SeeQueues = {
      actions   = ["sqs:GetQueueAttributes"]
      resources = local.queue_arns["all"]
    }
    # `cancel` replaces the chunks that wait; `redrive` empties the dead-letter queues.
    TakeMessages = {
      actions   = ["sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:ReceiveMessage"]
      resources = local.queue_arns["taken"]
    }
    # Back to where they came from.
    SendMessages = {
      actions   = ["sqs:SendMessage"]
      resources = local.queue_arns["sent"]
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
    broadcasts    = ["BatchGetItem", "DeleteItem", "GetItem", "Query", "UpdateItem"]
    connections   = ["BatchGetItem", "DeleteItem", "PutItem", "Query"]
    devices       = ["DeleteItem", "Query"]
    history       = ["BatchWriteItem", "Scan"]
    limits        = ["BatchWriteItem", "GetItem", "Scan"]
    members       = ["BatchWriteItem", "Scan"]
    messages      = ["BatchWriteItem", "Query"]
    partitions    = ["Query", "UpdateItem"]
    places        = ["BatchWriteItem", "Query"]
    publications  = ["BatchWriteItem", "Scan"]
    sessions      = ["DeleteItem", "GetItem", "Query"]
    subscriptions = ["BatchWriteItem", "Scan"]
    tenants       = ["GetItem", "PutItem", "Scan", "UpdateItem"]
  }

  # One pattern for all shards, and one for all silos and for their consumers: the size of a policy is limited.
  functions = sort(distinct([for name in values(var.functions) : replace(name, "/^(${var.deployment.prefix}-echo-).+$/", "$1*")]))

  chunk_queues = [for name in keys(var.queues) : name if startswith(name, "shard-") || contains(["express", "rooms"], name)]
  sources      = [for name in keys(var.queues) : name if startswith(name, "silo-") || contains(["broadcast", "outcome", "partition", "pooled"], name)]

  queue_arns = {
    for use, names in {
      all   = keys(var.queues)
      taken = concat(local.chunk_queues, ["dead-letter", "dead-letter-fifo"])
      sent  = concat(local.chunk_queues, local.sources)
      } : use => sort(distinct([
        for name in names : replace(replace(var.queues[name].arn, "/-shard-[0-9]+$/", "-shard-*"), "/(:${var.deployment.prefix}-silo-)[A-Za-z0-9_-]+[.]fifo$/", "$1*.fifo")
    ]))
  }
}
