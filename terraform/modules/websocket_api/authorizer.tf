# API Gateway answers 401 itself when one of the identity sources is missing.
resource "aws_apigatewayv2_authorizer" "this" {
  api_id           = aws_apigatewayv2_api.this.id
  name             = "session"
  authorizer_type  = "REQUEST"
  authorizer_uri   = var.authorizer.invoke_arn
  identity_sources = ["route.request.querystring.tenantId", "route.request.querystring.sessionId"]

  # The local AWS reports both for WebSocket APIs too, which do not have them.
  lifecycle {
    ignore_changes = [authorizer_payload_format_version, jwt_configuration]
  }
}
