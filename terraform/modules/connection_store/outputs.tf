output "tables" {
  description = "Name and ARN of the tables `connections` and `partitions`."
  value = {
    connections = { name = aws_dynamodb_table.connections.name, arn = aws_dynamodb_table.connections.arn }
    partitions  = { name = aws_dynamodb_table.partitions.name, arn = aws_dynamodb_table.partitions.arn }
  }
}

output "connections_stream_arn" {
  description = "ARN of the stream of `connections`. AWS allows it two readers."
  value       = aws_dynamodb_table.connections.stream_arn
}

output "connections_index_arns" {
  description = "ARNs of the indexes of `connections`: `player` and `room`."
  value = {
    player = "${aws_dynamodb_table.connections.arn}/index/player"
    room   = "${aws_dynamodb_table.connections.arn}/index/room"
  }
}
