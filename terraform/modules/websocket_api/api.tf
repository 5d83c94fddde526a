locals {
  # Callers of each function: the authorizer, or one route of the stage.
  invoked_by = merge(
    { authorizer = { alias = var.authorizer, source = "authorizers/${aws_apigatewayv2_authorizer.this.id}" } },
    { for key, route in var.routes : key => { alias = route.alias, source = "${var.stage}/${key}" } },
  )
}

resource "aws_apigatewayv2_api" "this" {
  name                       = "${var.prefix}-websocket"
  protocol_type              = "WEBSOCKET"
  route_selection_expression = "$request.body.action"
}

resource "aws_lambda_permission" "this" {
  for_each = local.invoked_by

  function_name = each.value.alias.function_name
  qualifier     = each.value.alias.name
  action        = "lambda:InvokeFunction"
  principal     = "apigateway.amazonaws.com"
  source_arn    = "${aws_apigatewayv2_api.this.execution_arn}/${each.value.source}"
}
