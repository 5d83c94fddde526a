# Plans, for pull requests and on main: reads what the account's stack, hub, cell or subscriber, is made of, and its state. The
# state of this stack, registry, is none of it. Without the right to write a lock, it plans with -lock=false.

locals {
  # The resources of a deployment, by their names; its roles by their path; APIs and mappings have ids.
  named = { for service, name in {
    alarm           = "cloudwatch:${var.region}:${var.account_id}:alarm:${local.prefix}-*"
    event_rule      = "events:${var.region}:${var.account_id}:rule/${local.prefix}-*"
    function        = "lambda:${var.region}:${var.account_id}:function:${local.prefix}-*"
    function_log    = "logs:${var.region}:${var.account_id}:log-group:/aws/lambda/${local.prefix}-*"
    gateway_log     = "logs:${var.region}:${var.account_id}:log-group:/aws/apigateway/${local.prefix}-*"
    parameter       = "ssm:${var.region}:${var.account_id}:parameter/${local.prefix}/*"
    queue           = "sqs:${var.region}:${var.account_id}:${local.prefix}-*"
    role            = "iam::${var.account_id}:role/${local.prefix}/*"
    table           = "dynamodb:${var.region}:${var.account_id}:table/${local.prefix}-*"
    topic           = "sns:${var.region}:${var.account_id}:${local.prefix}-*"
    apis            = "apigateway:${var.region}::/apis"
    api             = "apigateway:${var.region}::/apis/*"
    gateway_account = "apigateway:${var.region}::/account"
    gateway_tags    = "apigateway:${var.region}::/tags/*"
    mapping         = "lambda:${var.region}:${var.account_id}:event-source-mapping:*"
  } : service => "arn:${local.partition}:${name}" }

  of_our_functions = { ArnLike = { "lambda:FunctionArn" = [local.named.function, "${local.named.function}:*"] } }

  read_state = {
    ListState = {
      actions   = ["s3:ListBucket"]
      resources = [module.state_bucket.arn]
    }
    ReadState = {
      actions   = ["s3:GetObject"]
      resources = [local.state]
    }
    ReadReleases = {
      actions   = ["s3:GetObject"]
      resources = [local.releases]
    }
    # The stack's history of releases: a plan without a release is for the one that runs.
    ReadHistory = {
      actions   = ["s3:GetObject"]
      resources = [local.history]
    }
  }

  # To verify who has signed an image. The token is for the whole registry: ECR knows no resource for it.
  verify_images = {
    LogIn = {
      actions   = ["ecr:GetAuthorizationToken"]
      resources = ["*"]
    }
  }

  read_deployment = {
    ReadAlarms = {
      actions   = ["cloudwatch:ListTagsForResource"]
      resources = [local.named.alarm]
    }
    ReadApis = {
      actions   = ["apigateway:GET"]
      resources = [local.named.apis, local.named.api, local.named.gateway_account, local.named.gateway_tags]
    }
    ReadFunctions = {
      actions = [
        "lambda:GetAlias", "lambda:GetFunction", "lambda:GetFunctionCodeSigningConfig", "lambda:GetFunctionConcurrency",
        "lambda:GetFunctionConfiguration", "lambda:GetFunctionEventInvokeConfig", "lambda:GetFunctionRecursionConfig",
        "lambda:GetPolicy", "lambda:GetProvisionedConcurrencyConfig", "lambda:ListTags", "lambda:ListVersionsByFunction",
      ]
      resources = [local.named.function]
    }
    ReadImages = {
      actions   = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
      resources = [local.image]
    }
    ReadLogGroups = {
      actions   = ["logs:ListTagsForResource"]
      resources = [local.named.function_log, local.named.gateway_log]
    }
    # A list is of all: which alarms, log groups and parameters there are is no secret.
    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_DescribeAlarms.html
    # https://docs.aws.amazon.com/systems-manager/latest/APIReference/API_DescribeParameters.html
    ListNames = {
      actions   = ["cloudwatch:DescribeAlarms", "logs:DescribeLogGroups", "ssm:DescribeParameters"]
      resources = ["*"]
    }
    ReadMappings = {
      actions   = ["lambda:GetEventSourceMapping", "lambda:ListTags"]
      resources = [local.named.mapping]
    }
    ReadParameters = {
      actions   = ["ssm:GetParameter", "ssm:GetParameters", "ssm:ListTagsForResource"]
      resources = [local.named.parameter]
    }
    ReadQueues = {
      actions   = ["sqs:GetQueueAttributes", "sqs:GetQueueUrl", "sqs:ListQueueTags"]
      resources = [local.named.queue]
    }
    ReadRoles = {
      actions   = ["iam:GetRole", "iam:GetRolePolicy", "iam:ListAttachedRolePolicies", "iam:ListRolePolicies"]
      resources = [local.named.role]
    }
    ReadRules = {
      actions   = ["events:DescribeRule", "events:ListTagsForResource", "events:ListTargetsByRule"]
      resources = [local.named.event_rule]
    }
    ReadTables = {
      actions = [
        "dynamodb:DescribeContinuousBackups", "dynamodb:DescribeTable", "dynamodb:DescribeTimeToLive",
        "dynamodb:ListTagsOfResource",
      ]
      resources = [local.named.table]
    }
    ReadTopics = {
      actions   = ["sns:GetSubscriptionAttributes", "sns:GetTopicAttributes", "sns:ListTagsForResource"]
      resources = concat([local.named.topic], local.elsewhere.topics)
    }
  }
}

# One policy for both roles: the inline policies of a role may have 10,240 characters together.
# https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
resource "aws_iam_policy" "read_deployment" {
  #checkov:skip=CKV_AWS_355:lists of alarms, log groups and parameters are of all
  name        = "${local.prefix}-read-deployment"
  path        = "/ci/"
  description = "Reads what the stack of ${local.prefix} is made of."

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in local.read_deployment : { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }
    ]
  })
}

module "plan_role" {
  source = "../../modules/github_role"

  name           = "${local.prefix}-plan"
  description    = "Plans the stacks of ${local.prefix}, and changes nothing."
  provider_arn   = aws_iam_openid_connect_provider.github.arn
  subject_prefix = var.github_subject_prefix
  subjects       = ["pull_request", "ref:refs/heads/main"]
  policies       = { state = local.read_state, images = local.verify_images }

  shared_policies = { deployment = aws_iam_policy.read_deployment.arn }
}
