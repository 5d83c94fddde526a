output "websocket_url" {
  description = "URL that clients connect to, without the query string."
  value       = module.cell.websocket_api.url
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
  value       = module.cell.websocket_api.callback_endpoint
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
  value       = module.cell.functions
}

# The operator's commands wait so long.
output "timeouts" {
  description = "Timeout of every function in seconds, by its name in the code."
  value       = { for name, settings in local.functions : name => settings.timeout }
}
