output "websocket_api" {
  description = "The WebSocket API: its id and stage, the URL clients connect to, and the endpoint posts go to."
  value = {
    id                = module.websocket_api.id
    stage             = module.websocket_api.stage
    url               = module.websocket_api.websocket_url
    callback_endpoint = module.websocket_api.callback_endpoint
  }
}

output "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  value       = module.broadcast.topic_arn
}

output "tables" {
  description = "Name and ARN of every table, by its name without the prefix."
  value       = local.tables
}

locals {
  all_queues = merge(
    module.broadcast.queues,
    { for name, queue in module.messaging.queues : name => { url = queue.url, arn = queue.arn } },
    {
      dead-letter-fifo    = module.messaging.dead_letter
      accounting-failure  = { url = aws_sqs_queue.accounting_failure.url, arn = aws_sqs_queue.accounting_failure.arn }
      disconnect          = { url = aws_sqs_queue.disconnect.url, arn = aws_sqs_queue.disconnect.arn }
      inbox               = { url = aws_sqs_queue.inbox.url, arn = aws_sqs_queue.inbox.arn }
      inbox-failure       = { url = aws_sqs_queue.inbox_failure.url, arn = aws_sqs_queue.inbox_failure.arn }
      presence-failure    = { url = aws_sqs_queue.presence_failure.url, arn = aws_sqs_queue.presence_failure.arn }
      end-session-failure = { url = aws_sqs_queue.end_session_failure.url, arn = aws_sqs_queue.end_session_failure.arn }
    },
  )
}

output "timeouts" {
  description = "Timeout of every function in seconds, by its name in the code."
  value       = local.timeouts
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value       = local.all_queues
}

locals {
  functions = merge(local.echo, {
    authorizer    = module.authorizer
    connect       = module.connect
    disconnect    = module.disconnect
    default_route = module.default_route
    join_room     = module.join_room
    send_message  = module.send_message
    presence      = module.presence
    relay_message = module.relay_message
    accounting    = module.accounting
    swarm         = module.swarm
    query         = module.query
    post_message  = module.post_message
    settle        = module.settle

    post_message-rooms = module.post_message_rooms
    reconcile          = module.reconcile
    end_session        = module.end_session
  })

  echo = {
    for name, function in module.echo : join("-", compact(["echo", module.messaging.queues[name].tenant])) => function
  }
}

output "functions" {
  description = "Name of every function, by its name in the code; that of a silo's consumer by echo-<tenant>, that of large rooms by post_message-rooms."
  value       = { for name, function in local.functions : name => function.name }
}

output "subscribers" {
  description = "What each subscriber needs of the cell, by its name: see the variable `cell` of the stack subscriber."
  value = {
    for name, subscriber in var.subscribers : name => {
      prefix                = var.deployment.prefix
      environment           = var.deployment.environment
      region                = data.aws_region.current.name
      account_id            = subscriber.account_id
      role                  = { arn = aws_iam_role.subscriber[name].arn, external_id = subscriber.external_id }
      shards                = { for n in subscriber.shards : "shard-${n}" => local.shards[n] }
      callback_endpoint     = module.websocket_api.callback_endpoint
      outcome_queue_url     = local.queues["outcome"].url
      dead_letter_queue_url = local.queues["dead-letter"].url
      lane_posts_per_second = local.lane_posts_per_second
      lane_shares           = local.lane_shares
      lanes_table           = local.lanes.name
      concurrency           = var.shards.concurrency
      timeout               = local.timeouts.post_message

      # The registry of every account makes it, under the same name.
      permissions_boundary = try(replace(var.deployment.permissions_boundary, "/::[0-9]+:/", "::${subscriber.account_id}:"), null)
    }
  }
}
