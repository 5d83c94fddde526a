# Applies and destroys the account's stack, hub, cell or subscriber, from the named GitHub environment alone, with its
# approval. The role cannot change the resources that restrict it: roles in /ci/, the boundary, the OIDC provider, the
# bucket, the state of this stack.

locals {
  github_environment = coalesce(var.github_environment, var.environment)

  bounded = { ArnEquals = { "iam:PermissionsBoundary" = [aws_iam_policy.boundary.arn] } }

  write_state = {
    WriteState = {
      actions   = ["s3:PutObject"]
      resources = [local.state]
    }
    LockState = {
      actions   = ["s3:DeleteObject", "s3:GetObject", "s3:PutObject"]
      resources = ["${local.state}.tflock"]
    }
    WriteHistory = {
      actions   = ["s3:PutObject"]
      resources = [local.history]
    }
  }

  # A cell's queue of broadcasts subscribes to the hub's topic, whose policy lets it.
  subscribe_to_hub = {
    for topic in local.elsewhere.topics : "SubscribeToHub" => {
      actions   = ["sns:SetSubscriptionAttributes", "sns:Subscribe", "sns:Unsubscribe"]
      resources = [topic]
    }
  }

  write_deployment = {
    WriteAlarms = {
      actions = [
        "cloudwatch:DeleteAlarms", "cloudwatch:PutMetricAlarm", "cloudwatch:TagResource", "cloudwatch:UntagResource",
      ]
      resources = [local.named.alarm]
    }
    WriteApis = {
      actions = [
        "apigateway:DELETE", "apigateway:PATCH", "apigateway:POST", "apigateway:PUT", "apigateway:TagResource",
        "apigateway:UntagResource",
      ]
      resources = [local.named.apis, local.named.api, local.named.gateway_tags]
    }
    NameTheRoleOfApiLogs = {
      actions   = ["apigateway:PATCH"]
      resources = [local.named.gateway_account]
    }
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-logging.html: deliveries have no ARNs.
    DeliverApiLogs = {
      actions = [
        "logs:CreateLogDelivery", "logs:DeleteLogDelivery", "logs:DescribeResourcePolicies", "logs:GetLogDelivery",
        "logs:ListLogDeliveries", "logs:PutResourcePolicy", "logs:UpdateLogDelivery",
      ]
      resources = ["*"]
    }
    WriteFunctions = {
      actions = [
        "lambda:AddPermission", "lambda:CreateAlias", "lambda:CreateFunction", "lambda:DeleteAlias", "lambda:DeleteFunction",
        "lambda:DeleteFunctionConcurrency", "lambda:DeleteFunctionEventInvokeConfig",
        "lambda:DeleteProvisionedConcurrencyConfig", "lambda:PublishVersion", "lambda:PutFunctionConcurrency",
        "lambda:PutFunctionEventInvokeConfig", "lambda:PutFunctionRecursionConfig",
        "lambda:PutProvisionedConcurrencyConfig", "lambda:RemovePermission", "lambda:TagResource", "lambda:UntagResource",
        "lambda:UpdateAlias", "lambda:UpdateFunctionCode", "lambda:UpdateFunctionConfiguration",
        "lambda:UpdateFunctionEventInvokeConfig",
      ]
      resources = [local.named.function]
    }
    WriteLogGroups = {
      actions = [
        "logs:CreateLogGroup", "logs:DeleteLogGroup", "logs:DeleteRetentionPolicy", "logs:PutRetentionPolicy",
        "logs:TagResource", "logs:UntagResource",
      ]
      resources = [local.named.function_log, local.named.gateway_log]
    }
    # A mapping that is yet to be made has no ARN: its function says whose it is.
    WriteMappings = {
      actions = [
        "lambda:CreateEventSourceMapping", "lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping",
      ]
      resources  = ["*"]
      conditions = local.of_our_functions
    }
    TagMappings = {
      actions   = ["lambda:TagResource", "lambda:UntagResource"]
      resources = [local.named.mapping]
    }
    WriteParameters = {
      actions = [
        "ssm:AddTagsToResource", "ssm:DeleteParameter", "ssm:PutParameter", "ssm:RemoveTagsFromResource",
      ]
      resources = [local.named.parameter]
    }
    WriteQueues = {
      actions = [
        "sqs:CreateQueue", "sqs:DeleteQueue", "sqs:SetQueueAttributes", "sqs:TagQueue", "sqs:UntagQueue",
      ]
      resources = [local.named.queue]
    }
    # Only what is within the boundary may be made, or be given rights: no role can do what its maker could not give it.
    MakeBoundedRoles = {
      actions = [
        "iam:CreateRole", "iam:DeleteRolePolicy", "iam:PutRolePermissionsBoundary", "iam:PutRolePolicy",
      ]
      resources  = [local.named.role]
      conditions = local.bounded
    }
    GiveTheRoleOfApiLogsItsPolicy = {
      actions   = ["iam:AttachRolePolicy", "iam:DetachRolePolicy"]
      resources = [local.named.role]
      conditions = merge(local.bounded, {
        ArnEquals = merge(local.bounded.ArnEquals, {
          "iam:PolicyARN" = [
            "arn:${local.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
          ]
        })
      })
    }
    ChangeRoles = {
      actions = [
        "iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:TagRole", "iam:UntagRole", "iam:UpdateAssumeRolePolicy",
        "iam:UpdateRole", "iam:UpdateRoleDescription",
      ]
      resources = [local.named.role]
    }
    PassRoles = {
      actions    = ["iam:PassRole"]
      resources  = [local.named.role]
      conditions = { StringEquals = { "iam:PassedToService" = ["apigateway.amazonaws.com", "lambda.amazonaws.com"] } }
    }
    WriteRules = {
      actions = [
        "events:DeleteRule", "events:PutRule", "events:PutTargets", "events:RemoveTargets", "events:TagResource",
        "events:UntagResource",
      ]
      resources = [local.named.event_rule]
    }
    WriteTables = {
      actions = [
        "dynamodb:CreateTable", "dynamodb:DeleteTable", "dynamodb:TagResource", "dynamodb:UntagResource",
        "dynamodb:UpdateContinuousBackups", "dynamodb:UpdateTable", "dynamodb:UpdateTimeToLive",
      ]
      resources = [local.named.table]
    }
    WriteTopics = {
      actions = [
        "sns:CreateTopic", "sns:DeleteTopic", "sns:SetSubscriptionAttributes", "sns:SetTopicAttributes", "sns:Subscribe",
        "sns:TagResource", "sns:Unsubscribe", "sns:UntagResource",
      ]
      resources = [local.named.topic]
    }
  }

  # A rollout asks after its health by a broadcast of its own, to a tenant of its own, and by the errors in the logs. With
  # further cells each has such a tenant.
  synthetic_tenants = concat(["synthetic"], [
    for name in length(var.cells) == 0 ? [] : sort(concat(["hub"], keys(var.cells))) : "synthetic-${name}-*"
  ])

  watch_release = {
    Broadcast = {
      actions = ["execute-api:Invoke"]
      resources = [
        for route in ["POST/broadcast", "GET/broadcast/*", "PUT/session", "DELETE/session"] :
        "arn:${local.partition}:execute-api:${var.region}:${var.account_id}:*/$default/${route}"
      ]
    }
    KeepSyntheticTenants = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem"]
      resources = ["arn:${local.partition}:dynamodb:${var.region}:${var.account_id}:table/${local.prefix}-tenants"]
      conditions = {
        "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = local.synthetic_tenants }
        Null                      = { "dynamodb:LeadingKeys" = ["false"] }
      }
    }
    # A function that nobody has invoked for weeks sleeps, and its first invocation is refused: the rollout's shall be that one.
    WakeFunctions = {
      actions   = ["lambda:InvokeFunction"]
      resources = [local.named.function]
    }
    ReadErrors = {
      actions   = ["logs:FilterLogEvents"]
      resources = [local.named.function_log]
    }
  }
}

module "apply_role" {
  source = "../../modules/github_role"

  name           = "${local.prefix}-apply"
  description    = "Applies the stacks of ${local.prefix}, approved in the GitHub environment ${local.github_environment}."
  provider_arn   = aws_iam_openid_connect_provider.github.arn
  subject_prefix = var.github_subject_prefix
  subjects       = ["environment:${local.github_environment}"]

  policies = {
    state      = merge(local.read_state, local.write_state)
    deployment = merge(local.write_deployment, local.subscribe_to_hub, local.watch_release)
  }

  shared_policies = { read = aws_iam_policy.read_deployment.arn }
}

# Apart from the inline policies, which may have 10,240 characters together: the health of a cell is in the hub's table of
# leases and orders. https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
resource "aws_iam_policy" "see_cells" {
  count = length(var.cells) > 0 ? 1 : 0

  name        = "${local.prefix}-see-cells"
  path        = "/ci/"
  description = "Reads the leases and orders of the cells of ${local.prefix}."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SeeCells"
      Effect   = "Allow"
      Action   = "dynamodb:BatchGetItem"
      Resource = "arn:${local.partition}:dynamodb:${var.region}:${var.account_id}:table/${local.prefix}-cells"
    }]
  })
}

resource "aws_iam_role_policy_attachment" "see_cells" {
  count = length(aws_iam_policy.see_cells)

  role       = module.apply_role.name
  policy_arn = aws_iam_policy.see_cells[0].arn
}
