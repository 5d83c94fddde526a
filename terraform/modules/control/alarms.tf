# Publishers and tenants wait for the answers of these functions. The page's function needs no alarm: its users see its
# errors.
module "function_alarms" {
  source = "../function_alarms"

  prefix    = var.deployment.prefix
  topic_arn = var.deployment.alarm_topic_arn
  functions = { for name, alias in var.aliases : name => alias.function_name }
}

# Errors of API Gateway itself, too: a permission to invoke is missing, or a function does not answer within 30 seconds.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
locals {
  server_errors = {
    namespace  = "AWS/ApiGateway"
    name       = "5xx"
    dimensions = { ApiId = module.http_api.id, Stage = module.http_api.stage }
    statistic  = "Sum"
  }
}

module "server_error_alarm" {
  source = "../alarm"

  name        = "${var.deployment.prefix}-http-5xx"
  description = "The HTTP API answers requests with 5xx: its access log has the error of each request."
  threshold   = 10
  metric      = local.server_errors
  topic_arn   = var.deployment.alarm_topic_arn
}
