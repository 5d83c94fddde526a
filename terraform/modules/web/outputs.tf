locals {
  console_routes = ["GET /", "GET /assets/{version}/{file}", "GET /qr.svg"]
}

output "routes" {
  description = "The alias behind each route of the page: everyone may call them."
  value       = { for route in local.console_routes : route => { alias = module.console.alias, auth = "public" } }
}

output "functions" {
  description = "Every function, by its name in the code: outputs of the module `lambda_function`."
  value       = { console = module.console }
}
