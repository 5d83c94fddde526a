output "functions" {
  description = "Name of every function, by its name in the code."
  value       = { post_message = module.post_message.name }
}
