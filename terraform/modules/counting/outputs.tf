output "functions" {
  description = "Both functions, by their names in the code: outputs of the module `lambda_function`."
  value       = { accounting = module.accounting, reconcile = module.reconcile }
}

output "failure_queue" {
  description = "URL and ARN of the queue of batches that could not be counted."
  value       = { url = aws_sqs_queue.accounting_failure.url, arn = aws_sqs_queue.accounting_failure.arn }
}
