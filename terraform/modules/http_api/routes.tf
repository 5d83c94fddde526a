locals {
  authorization_types = { none = "NONE", public = "NONE", iam = "AWS_IAM", jwt = "JWT" }
}

resource "aws_apigatewayv2_integration" "this" {
  for_each = var.routes

  api_id                 = aws_apigatewayv2_api.this.id
  integration_type       = "AWS_PROXY"
  integration_method     = "POST"
  integration_uri        = each.value.alias.invoke_arn
  payload_format_version = "2.0"
}

resource "aws_apigatewayv2_route" "this" {
  for_each = var.routes

  api_id             = aws_apigatewayv2_api.this.id
  route_key          = each.key
  target             = "integrations/${aws_apigatewayv2_integration.this[each.key].id}"
  authorization_type = local.authorization_types[each.value.auth]
  authorizer_id      = each.value.auth == "jwt" ? one(aws_apigatewayv2_authorizer.jwt[*].id) : null

  authorization_scopes = length(each.value.scopes) > 0 ? each.value.scopes : null
}

resource "aws_lambda_permission" "this" {
  for_each = var.routes

  function_name = each.value.alias.function_name
  qualifier     = each.value.alias.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"

  # Stage, method and path; a parameter in the path is a * in the permission.
  source_arn = join("/", concat(
    [aws_apigatewayv2_api.this.execution_arn, "$default"],
    [replace(replace(each.key, " /", "/"), "/{[^}]*}/", "*")],
  ))
}
