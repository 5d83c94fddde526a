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
  description = "Name of the queue behind each route, where {tenantId} stands for the tenant's id, and the role API Gateway sends in."
  value = {
    SiloSQS   = { queue_name = "${var.prefix}-silo-{tenantId}.fifo", role_arn = aws_iam_role.sender.arn }
    PooledSQS = { queue_name = "${var.prefix}-pooled.fifo", role_arn = aws_iam_role.sender.arn }
  }
}
