# `$disconnect` goes into a queue. A function behind it would be called once for each connection: when a crowd ends together,
# that takes the account's concurrency from those who connect, and what Lambda throttles is lost. API Gateway calls
# `$disconnect` once, as well as it can:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
#
# A message's group is its tenant, so that the queue is fair. The template puts a word before the id: SQS refuses an empty group,
# and the authorizer's context is not promised here.

resource "aws_apigatewayv2_integration" "disconnect" {
  api_id                        = aws_apigatewayv2_api.this.id
  integration_type              = "AWS"
  integration_method            = "POST"
  integration_uri               = "${local.sqs_path}/${var.disconnect_queue.queue_name}"
  credentials_arn               = var.disconnect_queue.role_arn
  passthrough_behavior          = "NEVER"
  template_selection_expression = "\\$default"
  request_templates             = { "$default" = replace(file("${path.module}/templates/disconnect.vtl"), "\n", "") }

  request_parameters = { "integration.request.header.Content-Type" = "'application/x-www-form-urlencoded'" }
}

resource "aws_apigatewayv2_integration_response" "disconnect" {
  api_id                   = aws_apigatewayv2_api.this.id
  integration_id           = aws_apigatewayv2_integration.disconnect.id
  integration_response_key = "$default"
}

resource "aws_apigatewayv2_route" "disconnect" {
  #checkov:skip=CKV_AWS_309:API Gateway authorises $connect, and no other route of a WebSocket API
  api_id    = aws_apigatewayv2_api.this.id
  route_key = "$disconnect"
  target    = "integrations/${aws_apigatewayv2_integration.disconnect.id}"
}
