# Routes that put what a client sends straight into a FIFO queue: no function stands between, whose start could let a frame
# overtake another.

data "aws_caller_identity" "current" {}

data "aws_region" "current" {}

locals {
  # An AWS service is reached at arn:...:sqs:path/<account>/<queue>; {tenantId} in it is filled from the authorizer's context.
  sqs_path = join(":", [
    "arn", data.aws_partition.current.partition, "apigateway", data.aws_region.current.name,
    "sqs", "path/${data.aws_caller_identity.current.account_id}",
  ])

  # The templates have a line for each parameter, and SQS takes them as one.
  send_message = replace(file("${path.module}/templates/send_message.vtl"), "\n", "")
  not_queued   = trimspace(file("${path.module}/templates/not_queued.vtl"))
}

resource "aws_apigatewayv2_integration" "queue" {
  for_each = var.queue_routes

  api_id                        = aws_apigatewayv2_api.this.id
  integration_type              = "AWS"
  integration_method            = "POST"
  integration_uri               = "${local.sqs_path}/${each.value.queue_name}"
  credentials_arn               = each.value.role_arn
  timeout_milliseconds          = 5000
  passthrough_behavior          = "NEVER"
  template_selection_expression = "\\$default"
  request_templates             = { "$default" = local.send_message }

  request_parameters = merge(
    { "integration.request.header.Content-Type" = "'application/x-www-form-urlencoded'" },
    strcontains(each.value.queue_name, "{tenantId}") ? { "integration.request.path.tenantId" = "context.authorizer.tenantId" } : {},
  )
}

resource "aws_apigatewayv2_route" "queue" {
  #checkov:skip=CKV_AWS_309:API Gateway authorises $connect, and no other route of a WebSocket API
  for_each = var.queue_routes

  api_id    = aws_apigatewayv2_api.this.id
  route_key = each.key
  target    = "integrations/${aws_apigatewayv2_integration.queue[each.key].id}"

  route_response_selection_expression = "$default"
}

resource "aws_apigatewayv2_route_response" "queue" {
  for_each = var.queue_routes

  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.queue[each.key].id
  route_response_key = "$default"
}

# One response for everything, as it is not documented by what a service's is chosen; its template is chosen by the status:
# the one for 200 is a comment and makes an empty text, any other status is told as an error.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-routes-integrations.html
resource "aws_apigatewayv2_integration_response" "queue" {
  for_each = var.queue_routes

  api_id                        = aws_apigatewayv2_api.this.id
  integration_id                = aws_apigatewayv2_integration.queue[each.key].id
  integration_response_key      = "$default"
  template_selection_expression = "$integration.response.statuscode"

  response_templates = {
    "200"      = "## queued"
    "$default" = local.not_queued
  }
}
