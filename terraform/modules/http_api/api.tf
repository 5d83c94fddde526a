resource "aws_apigatewayv2_api" "this" {
  name          = "${var.deployment.prefix}-http"
  protocol_type = "HTTP"

  dynamic "cors_configuration" {
    for_each = length(var.settings.cors_origins) > 0 ? [var.settings.cors_origins] : []
    content {
      allow_origins = cors_configuration.value
      allow_methods = distinct([for key in keys(var.routes) : split(" ", key)[0]])
      allow_headers = ["authorization", "content-type"]
      max_age       = 3600
    }
  }
}

resource "aws_apigatewayv2_authorizer" "jwt" {
  count = var.jwt == null ? 0 : 1

  api_id           = aws_apigatewayv2_api.this.id
  name             = "jwt"
  authorizer_type  = "JWT"
  identity_sources = ["$request.header.Authorization"]

  jwt_configuration {
    issuer   = var.jwt.issuer
    audience = var.jwt.audience
  }
}
