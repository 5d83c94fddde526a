output "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  value       = aws_sns_topic.broadcast.arn
}

output "keys" {
  description = "Number of partition keys over which a broadcast's rows are spread."
  value       = var.settings.keys
}

output "express_recipients" {
  description = "Largest number of recipients of a small broadcast; 0: no broadcast is small."
  value       = local.express_recipients
}

output "shards" {
  description = "Number of shards that get chunks, without the ones that are drained."
  value       = var.settings.shards.count
}

output "lifetime_seconds" {
  description = "Seconds after publishing in which a broadcast is delivered or settled as failed."
  value       = var.settings.lifetime_seconds
}

output "tables" {
  description = "Name and ARN of the tables `broadcasts` and `lanes`."
  value = {
    broadcasts = { name = aws_dynamodb_table.broadcasts.name, arn = aws_dynamodb_table.broadcasts.arn }
    lanes      = { name = aws_dynamodb_table.lanes.name, arn = aws_dynamodb_table.lanes.arn }
  }
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value       = local.queues
}

output "functions" {
  description = "Every function, by its name in the code; post_message-rooms and post_message-express are instances of post_message: outputs of the module `lambda_function`."
  value = merge({ for publish in module.publish : "publish" => publish }, { for report in module.report : "report" => report }, {
    swarm        = module.swarm
    query        = module.query
    post_message = module.post_message
    settle       = module.settle
  }, { for name, function in module.post_message_dedicated : "post_message-${name}" => function })
}

output "cell_roles" {
  description = "ARN of the role here of each further cell, by its name."
  value       = { for name, role in module.cell_roles.roles : name => role.arn }
}

output "subscribers" {
  description = "Description of the cell for each subscriber, by its name: see the variable `cell` of the stack `subscriber`."
  value = {
    for name, subscriber in var.subscribers : name => {
      prefix                = var.deployment.prefix
      environment           = var.deployment.environment
      region                = data.aws_region.current.name
      account_id            = subscriber.account_id
      role                  = { arn = module.subscriber_roles.roles[name].arn, external_id = subscriber.external_id }
      shards                = { for n in subscriber.shards : "shard-${n}" => local.shards[n] }
      callback_endpoint     = var.websocket_api.callback_endpoint
      outcome_queue_url     = local.queues["outcome"].url
      dead_letter_queue_url = local.queues["dead-letter"].url
      lane_posts_per_second = local.lane_posts_per_second
      lane_shares           = local.lane_shares
      lanes_table           = local.lanes.name
      concurrency           = var.settings.shards.concurrency
      timeout               = var.functions.post_message.timeout

      # The registry of every account makes it, under the same name.
      permissions_boundary = try(replace(var.deployment.permissions_boundary, "/::[0-9]+:/", "::${subscriber.account_id}:"), null)
    }
  }
}
