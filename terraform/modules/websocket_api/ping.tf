# API Gateway answers pings itself, with no function behind: a million clients send five thousand million of them a month.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integration-requests.html
#
# They are counted for no session: the route's throttle bounds them. See decision 0039.

resource "aws_apigatewayv2_integration" "ping" {
  api_id                        = aws_apigatewayv2_api.this.id
  integration_type              = "MOCK"
  passthrough_behavior          = "NEVER"
  template_selection_expression = "\\$default"

  # The template must make an object with an integer statusCode.
  request_templates = { "$default" = jsonencode({ statusCode = 200 }) }
}

resource "aws_apigatewayv2_integration_response" "ping" {
  api_id                        = aws_apigatewayv2_api.this.id
  integration_id                = aws_apigatewayv2_integration.ping.id
  integration_response_key      = "$default"
  template_selection_expression = "\\$default"
  response_templates            = { "$default" = jsonencode({ action = "pong" }) }
}

resource "aws_apigatewayv2_route" "ping" {
  #checkov:skip=CKV_AWS_309:API Gateway authorises $connect, and no other route of a WebSocket API
  api_id    = aws_apigatewayv2_api.this.id
  route_key = "ping"
  target    = "integrations/${aws_apigatewayv2_integration.ping.id}"

  route_response_selection_expression = "$default"
}

resource "aws_apigatewayv2_route_response" "ping" {
  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.ping.id
  route_response_key = "$default"
}
