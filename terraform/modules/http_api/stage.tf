resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key, and no secret is logged: the fields are picked one by one
  #checkov:skip=CKV_AWS_338:logs are for operating: how long they stay is the variable log_retention_days
  name              = "/aws/apigateway/${var.deployment.prefix}-http"
  retention_in_days = var.deployment.log_retention_days
}

resource "aws_apigatewayv2_stage" "this" {
  api_id      = aws_apigatewayv2_api.this.id
  name        = "$default"
  auto_deploy = true

  default_route_settings {
    throttling_rate_limit    = var.settings.throttle.rate
    throttling_burst_limit   = var.settings.throttle.burst
    detailed_metrics_enabled = true
  }

  dynamic "route_settings" {
    for_each = { for key, route in var.routes : key => route.throttle if route.throttle != null }
    content {
      route_key                = route_settings.key
      throttling_rate_limit    = route_settings.value.rate
      throttling_burst_limit   = route_settings.value.burst
      detailed_metrics_enabled = true
    }
  }

  # Fields are picked one by one: the query string of /session holds the session's id, a secret.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId   = "$context.requestId"
      time        = "$context.requestTimeEpoch"
      route       = "$context.routeKey"
      status      = "$context.status"
      sourceIp    = "$context.identity.sourceIp"
      error       = "$context.error.message"
      integration = "$context.integrationErrorMessage"
    })
  }

  # Route settings are refused for routes that do not exist yet.
  depends_on = [aws_apigatewayv2_route.this]
}
