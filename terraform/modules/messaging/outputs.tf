output "queues" {
  description = "URL and ARN of every queue, and the tenant whose silo it is (null: the pool's), by its name without prefix and suffix."
  value = {
    for name, queue in aws_sqs_queue.this :
    name => { url = queue.url, arn = queue.arn, tenant = local.queues[name] }
  }
}

output "dead_letter" {
  description = "URL and ARN of the queue where frames stay that nobody could handle."
  value       = { url = aws_sqs_queue.dead_letter.url, arn = aws_sqs_queue.dead_letter.arn }
}

output "routes" {
  description = "Name of the queue behind each route, where {tenantId} stands for the tenant's id, and the ARNs of all that it may mean."
  value = {
    SiloSQS = {
      queue_name = "${var.prefix}-silo-{tenantId}.fifo"
      queue_arns = [for name, queue in aws_sqs_queue.this : queue.arn if name != "pooled"]
    }
    PooledSQS = { queue_name = aws_sqs_queue.this["pooled"].name, queue_arns = [aws_sqs_queue.this["pooled"].arn] }
  }
}
