output "queues" {
  description = "Name, URL and ARN of each queue, by its name in `names`."
  value       = { for key, queue in aws_sqs_queue.this : key => { name = queue.name, url = queue.url, arn = queue.arn } }
}

output "failure_queue" {
  description = "URL and ARN of the queue of what could not be handled; null: there is none."
  value       = one([for queue in aws_sqs_queue.failure : { url = queue.url, arn = queue.arn }])
}
