output "tables" {
  description = "Name and ARN of the tables `connections`, `devices` and `partitions`; of connections the ARNs of its stream, which AWS allows two readers, and of its index by room, too."
  value = {
    connections = {
      name        = aws_dynamodb_table.connections.name
      arn         = aws_dynamodb_table.connections.arn
      stream_arn  = aws_dynamodb_table.connections.stream_arn
      by_room_arn = "${aws_dynamodb_table.connections.arn}/index/${local.room_index}"
    }
    devices    = { name = aws_dynamodb_table.devices.name, arn = aws_dynamodb_table.devices.arn }
    partitions = { name = aws_dynamodb_table.partitions.name, arn = aws_dynamodb_table.partitions.arn }
  }
}

output "indexes" {
  description = "Table and name of each index, by a name without the prefix."
  value       = { room-index = { table = aws_dynamodb_table.connections.name, name = local.room_index } }
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value = {
    accounting-failure = module.counting.failure_queue
    disconnect         = module.disconnect_queue.queues["disconnect"]
  }
}

output "routes" {
  description = "Name and ARN of the queue behind each route of the WebSocket API that leads into one."
  value = {
    "$disconnect" = {
      queue_name = module.disconnect_queue.queues["disconnect"].name
      queue_arns = [module.disconnect_queue.queues["disconnect"].arn]
    }
  }
}

output "functions" {
  description = "Every function, by its name in the code: outputs of the module `lambda_function`."
  value = {
    accounting = module.counting.functions.accounting
    authorizer = module.authorizer
    connect    = module.connect
    disconnect = module.disconnect
    reconcile  = module.counting.functions.reconcile
  }
}
