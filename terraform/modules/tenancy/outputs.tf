output "sessions_stream_arn" {
  description = "ARN of the stream of `sessions`. AWS allows it two readers."
  value       = aws_dynamodb_table.sessions.stream_arn
}

output "messages_stream_arn" {
  description = "ARN of the stream of `messages`. AWS allows it two readers."
  value       = aws_dynamodb_table.messages.stream_arn
}

output "tables" {
  description = "Name and ARN of the tables `tenants`, `sessions`, `limits`, `messages` and `places`."
  value = {
    tenants  = { name = aws_dynamodb_table.tenants.name, arn = aws_dynamodb_table.tenants.arn }
    sessions = { name = aws_dynamodb_table.sessions.name, arn = aws_dynamodb_table.sessions.arn }
    limits   = { name = aws_dynamodb_table.limits.name, arn = aws_dynamodb_table.limits.arn }
    messages = { name = aws_dynamodb_table.messages.name, arn = aws_dynamodb_table.messages.arn }
    places   = { name = aws_dynamodb_table.places.name, arn = aws_dynamodb_table.places.arn }
  }
}
