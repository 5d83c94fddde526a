output "http_url" {
  description = "URL that /broadcast, /session and /tenant are appended to."
  value       = local.description.http_url
}

output "websocket_url" {
  description = "URL that clients connect to, without the query string."
  value       = local.description.websocket_url
}

output "websocket_api_id" {
  description = "Id of the WebSocket API."
  value       = module.cell.websocket_api.id
}

output "stage" {
  description = "Name of the WebSocket API's stage."
  value       = module.cell.websocket_api.stage
}

output "callback_endpoint" {
  description = "Endpoint of the WebSocket API's management API."
  value       = local.description.callback_endpoint
}

output "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  value       = module.cell.topic_arn
}

output "tables" {
  description = "Name of every table, by its name without the prefix."
  value       = { for name, table in module.cell.tables : name => table.name }
}

output "queue_urls" {
  description = "URL of every queue, by its name without the prefix."
  value       = { for name, queue in module.cell.queues : name => queue.url }
}

output "functions" {
  description = "Name of every function, by its name in the code."
  value       = merge(module.cell.functions, module.control.functions)
}

output "subscribers" {
  description = "Description of the cell for the stack `subscriber`, as its variable `cell`, by the subscriber's name."
  value       = module.cell.subscribers
}

output "timeouts" {
  description = "Timeout of every function in seconds, by its name in the code."
  value       = local.description.timeouts
}

output "express_recipients" {
  description = "Largest number of recipients of a small broadcast; 0: no broadcast is small."
  value       = module.cell.express_recipients
}

output "shards" {
  description = "Number of shards that get chunks, without the ones that are drained."
  value       = local.description.shards
}

output "message_lifetime_seconds" {
  description = "Seconds after which a broadcast is not posted any more."
  value       = local.description.message_lifetime_seconds
}

output "report_grace_seconds" {
  description = "Seconds after a broadcast's end in which a further cell may still report; null where there are none."
  value       = local.description.report_grace_seconds
}

output "auth" {
  description = "Authorisation of the routes of broadcasts and of sessions: none, iam or jwt."
  value       = local.description.auth
}

output "operator_role_arn" {
  description = "ARN of the role in which `loudhailer --environment` runs; null: `operators` names nobody."
  value       = module.operations.operator_role_arn
}
