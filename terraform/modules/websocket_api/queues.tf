# Routes that go straight into a queue, with no function between. A frame must not be overtaken by another because a function
# started slowly. And a function behind `$disconnect` would be called once for each connection: when a crowd ends
# together, that takes the account's concurrency from new connections, and throttled calls are lost. API Gateway calls
# `$disconnect` once, as well as it can:
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-keys-connect-disconnect.html
#
# A message's group is its session, or of `$disconnect` its tenant: so that queue is fair. Its template puts a word before the
# id: SQS refuses an empty group, and the authorizer's context is not promised there.

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
  disconnect   = replace(file("${path.module}/templates/disconnect.vtl"), "\n", "")
  not_queued   = trimspace(file("${path.module}/templates/not_queued.vtl"))

  # A client that has disconnected gets no answer.
  answered = setsubtract(keys(var.queue_routes), ["$disconnect"])
}

resource "aws_apigatewayv2_integration" "queue" {
  for_each = var.queue_routes

  api_id                        = aws_apigatewayv2_api.this.id
  integration_type              = "AWS"
  integration_method            = "POST"
  integration_uri               = "${local.sqs_path}/${each.value.queue_name}"
  credentials_arn               = aws_iam_role.sender[each.key].arn
  timeout_milliseconds          = 5000
  passthrough_behavior          = "NEVER"
  template_selection_expression = "\\$default"
  request_templates             = { "$default" = each.key == "$disconnect" ? local.disconnect : local.send_message }

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

  route_response_selection_expression = contains(local.answered, each.key) ? "$default" : null
}

resource "aws_apigatewayv2_route_response" "queue" {
  for_each = local.answered

  api_id             = aws_apigatewayv2_api.this.id
  route_id           = aws_apigatewayv2_route.queue[each.key].id
  route_response_key = "$default"
}

# There is one response, because the choice among several is not documented for services; its template is chosen by the
# status: the one for 200 is a comment and makes an empty text, any other status becomes an error.
# https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-routes-integrations.html
resource "aws_apigatewayv2_integration_response" "queue" {
  for_each = var.queue_routes

  api_id                        = aws_apigatewayv2_api.this.id
  integration_id                = aws_apigatewayv2_integration.queue[each.key].id
  integration_response_key      = "$default"
  template_selection_expression = contains(local.answered, each.key) ? "$integration.response.statuscode" : null

  response_templates = contains(local.answered, each.key) ? {
    "200"      = "## queued"
    "$default" = local.not_queued
  } : null
}

# An API has one route for a key: routes that were made for `$disconnect` alone stay.
moved {
  from = aws_apigatewayv2_integration.disconnect
  to   = aws_apigatewayv2_integration.queue["$disconnect"]
}

moved {
  from = aws_apigatewayv2_integration_response.disconnect
  to   = aws_apigatewayv2_integration_response.queue["$disconnect"]
}

moved {
  from = aws_apigatewayv2_route.disconnect
  to   = aws_apigatewayv2_route.queue["$disconnect"]
}
