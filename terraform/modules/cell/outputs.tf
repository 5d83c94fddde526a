output "websocket_api" {
  description = "The WebSocket API: its id and stage, the URL clients connect to, the endpoint posts go to, and the ARN of the command that closes a connection."
  value = {
    id                = module.websocket_api.id
    stage             = module.websocket_api.stage
    url               = module.websocket_api.url
    callback_endpoint = module.websocket_api.callback_endpoint
    close_arn         = module.websocket_api.close_arn
  }
}

output "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  value       = module.broadcast.topic_arn
}

output "express_recipients" {
  description = "Largest number of recipients of a small broadcast; 0: no broadcast is small."
  value       = module.broadcast.express_recipients
}

output "shards" {
  description = "Number of shards that get chunks, without the ones that are drained."
  value       = module.broadcast.shards
}

output "message_lifetime_seconds" {
  description = "Seconds after publishing in which a broadcast is delivered or settled as failed."
  value       = module.broadcast.lifetime_seconds
}

output "report_grace_seconds" {
  description = "Seconds after a broadcast's end in which a further cell may still report; null where there are none."
  value       = module.sessions.report_grace_seconds
}

output "tables" {
  description = "Name and ARN of every table, by its name without the prefix."
  value       = local.tables
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value       = local.queues
}

output "functions" {
  description = "Name of every function, by its name in the code; that of a silo's consumer by echo-<tenant>, post_message-rooms and post_message-express are instances of post_message."
  value       = { for name, function in local.functions : name => function.name }
}

output "aliases" {
  description = "The live aliases of the functions that the HTTP API calls, by their names in the code; a further cell has none."
  value       = { for name in ["publish", "session_api"] : name => local.functions[name].alias if local.is_hub }
}

output "cell_roles" {
  description = "ARN of the role here of each further cell, by its name."
  value       = module.broadcast.cell_roles
}

output "message_roles" {
  description = "ARN of the role here in which each further cell asks for messages to be forwarded, by its name."
  value       = module.messaging.cell_roles
}

output "subscribers" {
  description = "Description of the cell for each subscriber, by its name: see the variable `cell` of the stack subscriber."
  value       = module.broadcast.subscribers
}
