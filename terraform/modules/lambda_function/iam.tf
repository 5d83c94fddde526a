# The path says which roles CI may make and pass on: those of this deployment, whatever else the account has.
resource "aws_iam_role" "this" {
  name                 = local.function_name
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "lambda.amazonaws.com" }
    }]
  })
}

locals {
  # X-Ray knows no resource for its two actions: AWS accepts nothing but * there.
  observability = {
    WriteLogs = {
      actions    = ["logs:CreateLogStream", "logs:PutLogEvents"]
      resources  = ["${aws_cloudwatch_log_group.this.arn}:log-stream:*"]
      conditions = {}
    }
    SendTraces = {
      actions    = ["xray:PutTelemetryRecords", "xray:PutTraceSegments"]
      resources  = ["*"]
      conditions = {}
    }
  }

  # Lambda's pollers call them with the function's role, and the function itself puts messages off:
  # https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
  poller_actions = [
    "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
  ]

  read_queues = {
    for sid, arns in var.queues_read : sid => { actions = local.poller_actions, resources = arns, conditions = {} }
  }

  statements = merge(var.statements, local.read_queues, local.assume_tenant_role, {
    for sid, statement in local.observability : sid => statement if sid != "SendTraces" || var.deployment.tracing
  })

  policy = {
    Version = "2012-10-17"
    Statement = [
      for sid, statement in local.statements : merge(
        { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources },
        length(statement.conditions) > 0 ? { Condition = statement.conditions } : null,
      )
    ]
  }
}

resource "aws_iam_role_policy" "this" {
  name = "function"
  role = aws_iam_role.this.id

  policy = jsonencode(local.policy)

  lifecycle {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
    precondition {
      condition     = length(jsonencode(local.policy)) <= 10240
      error_message = "The policy of ${local.function_name} has more than the 10,240 characters that IAM takes for a role."
    }
  }
}
