# WebSocket APIs do not deploy by themselves: a change of what is deployed makes a new deployment.
resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id

  triggers = {
    functions = sha1(jsonencode({
      authorizer = var.authorizer, routes = var.routes, queue_routes = var.queue_routes
    }))
    code = sha1(join("", [
      for file in [
        "authorizer.tf", "ping.tf", "queues.tf", "routes.tf", "sender.tf",
        "templates/disconnect.vtl", "templates/not_queued.vtl", "templates/send_message.vtl",
      ] : file("${path.module}/${file}")
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_apigatewayv2_route.this, aws_apigatewayv2_route_response.this,
    aws_apigatewayv2_route_response.queue, aws_apigatewayv2_integration_response.queue,
    aws_apigatewayv2_route.queue, aws_iam_role_policy.sender, aws_apigatewayv2_route.ping,
    aws_apigatewayv2_route_response.ping, aws_apigatewayv2_integration_response.ping,
  ]
}

locals {
  # Routes that a whole crowd may use at the same time: connecting, pinging, disconnecting.
  crowd_routes = toset(["$connect", "$disconnect", "ping"])
  other_routes = setsubtract(concat(keys(var.routes), keys(var.queue_routes)), local.crowd_routes)

  # A stage throttles each route by itself, so that each gets its part, and one request a second at least.
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
  route_throttle = { for name, share in var.throttle : name => max(1, floor(share / max(1, length(local.other_routes)))) }
}

resource "aws_apigatewayv2_stage" "this" {
  #checkov:skip=CKV2_AWS_51:clients are browsers, which have no certificates: the authorizer asks who they are
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.stage
  deployment_id = aws_apigatewayv2_deployment.this.id

  default_route_settings {
    throttling_rate_limit    = local.route_throttle.rate
    throttling_burst_limit   = local.route_throttle.burst
    detailed_metrics_enabled = true
  }

  dynamic "route_settings" {
    for_each = local.crowd_routes
    content {
      route_key                = route_settings.value
      throttling_rate_limit    = max(1, floor(var.throttle.rate))
      throttling_burst_limit   = max(1, floor(var.throttle.crowd_burst))
      detailed_metrics_enabled = true
    }
  }

  # Fields are picked one by one: the query string of $connect holds the session's id, a secret.
  access_log_settings {
    destination_arn = aws_cloudwatch_log_group.access.arn
    format = jsonencode({
      requestId    = "$context.requestId"
      time         = "$context.requestTimeEpoch"
      event        = "$context.eventType"
      route        = "$context.routeKey"
      status       = "$context.status"
      connectionId = "$context.connectionId"
      tenantId     = "$context.authorizer.tenantId"
      sourceIp     = "$context.identity.sourceIp"
      error        = "$context.error.message"
      integration  = "$context.integrationErrorMessage"
    })
  }

  depends_on = [aws_api_gateway_account.this]
}
