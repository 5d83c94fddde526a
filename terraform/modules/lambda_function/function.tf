locals {
  function_name = join("-", compact([var.deployment.prefix, var.name, var.suffix]))
  handler       = "functions.${var.capability}.${var.name}.handler.handler"

  own_variables = { for name, value in var.variables : name => value if value != null }
  variables = merge(local.own_variables, { for role in aws_iam_role.tenant : "TENANT_ROLE_ARN" => role.arn }, {
    ENVIRONMENT                  = var.deployment.environment
    POWERTOOLS_SERVICE_NAME      = var.name
    POWERTOOLS_METRICS_NAMESPACE = "Loudhailer"
    POWERTOOLS_LOG_LEVEL         = var.deployment.log_level
  })
}

resource "aws_cloudwatch_log_group" "this" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key, and no secret is logged: ids of sessions are redacted
  #checkov:skip=CKV_AWS_338:logs are for operating, and name people: how long they stay is the variable log_retention_days
  name              = "/aws/lambda/${local.function_name}"
  retention_in_days = var.deployment.log_retention_days
}

resource "aws_lambda_function" "this" {
  #checkov:skip=CKV_AWS_116:what invokes a function has the dead-letter queue: its queue or its stream; a schedule has its next minute
  #checkov:skip=CKV_AWS_117:it calls AWS and nothing else: in a VPC it would need a way out of it, and be no better protected
  #checkov:skip=CKV_AWS_173:the variables are names and URLs, no secrets; AWS's own key encrypts them
  #checkov:skip=CKV_AWS_272:Lambda checks signatures of zips alone; an image is named by its digest, and signed by its release
  function_name = local.function_name
  role          = aws_iam_role.this.arn
  architectures = [var.deployment.architecture]
  memory_size   = var.settings.memory
  timeout       = var.settings.timeout
  publish       = true

  # -1 is AWS's way to say that nothing is reserved.
  reserved_concurrent_executions = coalesce(var.settings.reserved, -1)

  package_type     = var.package.image == null ? "Zip" : "Image"
  image_uri        = try("${var.package.image.repository_url}@${var.package.image.digest}", null)
  s3_bucket        = try(var.package.zip.bucket, null)
  s3_key           = try(var.package.zip.key, null)
  source_code_hash = try(var.package.zip.hash, null)
  runtime          = var.package.zip == null ? null : "python3.13"
  handler          = var.package.zip == null ? null : local.handler

  dynamic "image_config" {
    for_each = var.package.image[*]
    content {
      command = [local.handler]
    }
  }

  environment {
    variables = local.variables
  }

  # Lambda writes three lines of its own for each invocation, unless a log level is set, which requires JSON.
  # Lines without a level, such as metrics, count as INFO: a higher level of the application would drop them.
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-cloudwatchlogs-log-level.html
  logging_config {
    log_format            = "JSON"
    log_group             = aws_cloudwatch_log_group.this.name
    application_log_level = var.deployment.log_level
    system_log_level      = "WARN"
  }

  tracing_config {
    mode = var.deployment.tracing ? "Active" : "PassThrough"
  }

  lifecycle {
    # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
    precondition {
      condition     = length(jsonencode(local.variables)) <= 4096
      error_message = "The variables of ${local.function_name} have more than the 4 KB that Lambda takes."
    }
  }

  # Without the group, the first log line would create one that never expires; without the policy, Lambda refuses the
  # function's event source mappings.
  depends_on = [aws_cloudwatch_log_group.this, aws_iam_role_policy.this, aws_iam_role_policy.tenant]
}

# Everything invokes the alias, so that a release or a rollback is a change of this one pointer. Terraform publishes versions
# and makes the alias; from then on `loudhailer release` moves it, step by step, which no plan could do.
resource "aws_lambda_alias" "live" {
  name             = "live"
  function_name    = aws_lambda_function.this.function_name
  function_version = aws_lambda_function.this.version

  lifecycle {
    ignore_changes = [function_version, routing_config]
  }
}

# On the alias, it follows the version that the alias points to. AWS refuses to change it while the alias has weights:
# https://docs.aws.amazon.com/lambda/latest/dg/provisioned-concurrency.html
resource "aws_lambda_provisioned_concurrency_config" "live" {
  count = var.settings.provisioned == null ? 0 : 1

  function_name                     = aws_lambda_alias.live.function_name
  qualifier                         = aws_lambda_alias.live.name
  provisioned_concurrent_executions = var.settings.provisioned
}
