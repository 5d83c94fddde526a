output "id" {
  description = "Id of the API."
  value       = aws_apigatewayv2_api.this.id
}

output "stage" {
  description = "Name of the stage."
  value       = aws_apigatewayv2_stage.this.name
}

output "execution_arn" {
  description = "ARN that permissions on the API begin with."
  value       = aws_apigatewayv2_api.this.execution_arn
}

# The stage is $default, so that paths begin at the root. The local AWS has no host for each API.
output "http_url" {
  description = "URL that the routes' paths are appended to."
  value = (
    var.aws_endpoint == null
    ? aws_apigatewayv2_api.this.api_endpoint
    : "${var.aws_endpoint}/_aws/execute-api/${aws_apigatewayv2_api.this.id}"
  )
}
