locals {
  # In AWS the API has a host of its own; the stand-in serves all APIs under one.
  api_url = var.gateway_endpoint == null ? aws_apigatewayv2_api.this.api_endpoint : join("/", [
    replace(var.gateway_endpoint, "/^http/", "ws"), aws_apigatewayv2_api.this.id,
  ])
  websocket_url = "${local.api_url}/${var.stage}"
}

output "id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "stage" {
  description = "Name of the stage."
  value       = var.stage
}

output "execution_arn" {
  description = "ARN that permissions on the API begin with."
  value       = aws_apigatewayv2_api.this.execution_arn
}

output "post_arn" {
  description = "Resource of the permission to post to the API's connections."
  value       = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage}/POST/@connections/*"
}

output "close_arn" {
  description = "Resource of the permission to close the API's connections."
  value       = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage}/DELETE/@connections/*"
}

output "look_up_arn" {
  description = "Resource of the permission to look up the API's connections."
  value       = "${aws_apigatewayv2_api.this.execution_arn}/${var.stage}/GET/@connections/*"
}

output "url" {
  description = "URL that clients connect to, without the query string."
  value       = local.websocket_url
}

output "callback_endpoint" {
  description = "Endpoint of the management API; posts go to /@connections/<id> below it."
  value       = replace(local.websocket_url, "/^ws/", "http")
}
