output "functions" {
  description = "Name of every function, by its name in the code."
  value       = { post_message = module.post_message.name }
}

output "shards" {
  description = "Names of the shards that are read here."
  value       = keys(var.cell.shards)
}
