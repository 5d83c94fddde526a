output "tables" {
  description = "Name and ARN of the tables `connections`, `devices` and `partitions`."
  value = {
    connections = { name = aws_dynamodb_table.connections.name, arn = aws_dynamodb_table.connections.arn }
    devices     = { name = aws_dynamodb_table.devices.name, arn = aws_dynamodb_table.devices.arn }
    partitions  = { name = aws_dynamodb_table.partitions.name, arn = aws_dynamodb_table.partitions.arn }
  }
}

output "connections_stream_arn" {
  description = "ARN of the stream of `connections`. AWS allows it two readers."
  value       = aws_dynamodb_table.connections.stream_arn
}

output "connections_by_room_arn" {
  description = "ARN of the index `room` of `connections`."
  value       = "${aws_dynamodb_table.connections.arn}/index/room"
}
