output "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  value       = aws_sns_topic.broadcast.arn
}

output "tables" {
  description = "Name and ARN of the tables `broadcasts` and `lanes`."
  value = {
    broadcasts = { name = aws_dynamodb_table.broadcasts.name, arn = aws_dynamodb_table.broadcasts.arn }
    lanes      = { name = aws_dynamodb_table.lanes.name, arn = aws_dynamodb_table.lanes.arn }
  }
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value = {
    for name, queue in merge(aws_sqs_queue.work, { dead-letter = aws_sqs_queue.dead_letter }) :
    name => { url = queue.url, arn = queue.arn }
  }
}

output "room_workers" {
  description = "How many workers the queue `rooms` has at once."
  value       = local.room_workers
}

output "shards" {
  description = "URL and ARN of the shard queues, in order."
  value       = [for shard in local.shards : { url = aws_sqs_queue.work[shard].url, arn = aws_sqs_queue.work[shard].arn }]
}
