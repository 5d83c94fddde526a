# WebSocket APIs do not deploy by themselves: a change of what is deployed makes a new deployment.
resource "aws_apigatewayv2_deployment" "this" {
  api_id = aws_apigatewayv2_api.this.id

  triggers = {
    functions = sha1(jsonencode({ authorizer = var.authorizer, routes = var.routes, queue_routes = var.queue_routes }))
    code = sha1(join("", [
      for file in ["authorizer.tf", "queues.tf", "routes.tf", "templates/not_queued.vtl", "templates/send_message.vtl"] :
      file("${path.module}/${file}")
    ]))
  }

  lifecycle {
    create_before_destroy = true
  }

  depends_on = [
    aws_apigatewayv2_route.this, aws_apigatewayv2_route_response.this,
    aws_apigatewayv2_route_response.queue, aws_apigatewayv2_integration_response.queue,
  ]
}

resource "aws_apigatewayv2_stage" "this" {
  #checkov:skip=CKV2_AWS_51:clients are browsers, which have no certificates: the authorizer asks who they are
  api_id        = aws_apigatewayv2_api.this.id
  name          = var.stage
  deployment_id = aws_apigatewayv2_deployment.this.id

  default_route_settings {
    throttling_rate_limit    = var.throttle.rate
    throttling_burst_limit   = var.throttle.burst
    detailed_metrics_enabled = true
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
