output "http_url" {
  description = "URL that /broadcast, /session and /tenant are appended to."
  value       = module.http_api.http_url
}

output "http_api_id" {
  description = "Id of the HTTP API."
  value       = module.http_api.id
}

output "functions" {
  description = "Name of every function, by its name in the code."
  value = merge(
    { publish = module.publish.name, session_api = module.session_api.name },
    var.console.enabled ? { console = module.console[0].name } : {},
  )
}

output "timeouts" {
  description = "Timeout of every function in seconds, by its name in the code."
  value       = local.timeouts
}
