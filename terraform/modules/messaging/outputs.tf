output "tables" {
  description = "Name and ARN of the table `messages`."
  value       = { messages = { name = aws_dynamodb_table.messages.name, arn = aws_dynamodb_table.messages.arn } }
}

output "queues" {
  description = "URL and ARN of every queue, by its name without prefix and suffix."
  value = merge(module.echo_queues.queues, {
    dead-letter-fifo = module.echo_queues.failure_queue
    inbox            = module.inbox_queue.queues["inbox"]
    inbox-failure    = module.inbox_queue.failure_queue
    presence-failure = { url = aws_sqs_queue.presence_failure.url, arn = aws_sqs_queue.presence_failure.arn }
    },
    { for cell, queue in module.forward_queues.queues : "forward-${cell}" => queue },
    { for queue in module.forward_queues.failure_queue[*] : "forward-failure" => queue },
  )
}

output "echo_queues" {
  description = "Tenant of each queue of frames that `echo` answers, null for the pool, by the queue's name."
  value       = local.queues
}

output "silo_tenants" {
  description = "Ids of the tenants that have a queue of their own."
  value       = var.settings.silo_tenants
}

output "routes" {
  description = "Name of the queue behind each route, where {tenantId} stands for the tenant's id, and the ARNs of all that it may mean."
  value = {
    SiloSQS = {
      queue_name = "${var.deployment.prefix}-silo-{tenantId}.fifo"
      queue_arns = [for name, queue in module.echo_queues.queues : queue.arn if name != "pooled"]
    }
    PooledSQS = {
      queue_name = module.echo_queues.queues["pooled"].name
      queue_arns = [module.echo_queues.queues["pooled"].arn]
    }
  }
}

output "functions" {
  description = "Every function, by its name in the code, that of a silo's consumer by echo-<tenant>: outputs of the module `lambda_function`."
  value = merge({ for name, function in module.echo : join("-", compact(["echo", local.queues[name]])) => function }, {
    default_route = module.default_route
    join_room     = module.join_room
    presence      = module.presence
    relay_message = module.relay_message
    send_message  = module.send_message
  }, { for forward in module.forward_message : "forward_message" => forward })
}

output "forward_queues" {
  description = "Cell of each queue of requests to forward messages, by the queue's name; empty without further cells."
  value       = { for cell in local.cells : "forward-${cell}" => cell }
}

output "cell_roles" {
  description = "ARN of the role in which each further cell asks for messages to be forwarded, by its name."
  value       = { for name, role in module.cell_roles.roles : name => role.arn }
}
