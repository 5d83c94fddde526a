output "http_url" {
  description = "URL that /broadcast, /session and /tenant are appended to."
  value       = module.http_api.http_url
}

output "http_api_id" {
  description = "Id of the HTTP API."
  value       = module.http_api.id
}

output "session_throttle" {
  description = "Throttle of PUT /session: its rate and burst; null: that of all routes."
  value       = local.session_throttle
}

output "functions" {
  description = "Name of every function, by its name in the code."
  value       = merge([for web in module.web : { for name, function in web.functions : name => function.name }]...)
}
