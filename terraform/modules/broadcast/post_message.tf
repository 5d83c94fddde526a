module "post_message" {
  source = "../lambda_function"

  name       = "post_message"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.post_message

  variables = {
    SHARD_QUEUE_URLS      = jsonencode(local.query_shards[*].url) # Version 0.2 requires it. Remove it after 0.3.
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    OUTCOME_QUEUE_URL     = local.queues["outcome"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    LANE_KIND             = "normal"
    LANE_POSTS_PER_SECOND = local.lane_posts_per_second
    LANE_SHARES           = jsonencode(local.lane_shares)
    LANES_TABLE           = local.lanes.name
  }

  queues_read = { ReadChunks = local.shards[*].arn }

  statements = {
    # Closing, too: a client that does not read must learn that it misses messages.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
    }
    MarkLanes = {
      actions   = local.mark_lanes
      resources = [local.lanes.arn]
    }
    # Its own shards, too: the remaining connections of a chunk return to the shard when the function's time ends.
    SendOutcomes = {
      actions   = ["sqs:SendMessage"]
      resources = concat(local.shards[*].arn, [local.queues["outcome"].arn, local.queues["dead-letter"].arn])
    }
  }
}

# It sends the remaining connections of a chunk to the queue that it reads, at most eight times. Lambda takes that for a
# loop and would drop the message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "post_message" {
  function_name  = module.post_message.name
  recursive_loop = "Allow"
}

# One chunk an invocation, and no more invocations than lanes: a lane's rate is the account's divided by the lanes.
resource "aws_lambda_event_source_mapping" "post_message" {
  for_each = setsubtract(local.shard_names, [for shard, subscriber in local.claims : shard if !subscriber.shared])

  event_source_arn        = aws_sqs_queue.work[each.key].arn
  function_name           = module.post_message.alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = var.settings.shards.concurrency
  }
}

# One instance of `post_message` for each kind of dedicated lanes, at the rate of that kind.
module "post_message_dedicated" {
  source   = "../lambda_function"
  for_each = local.dedicated_lanes

  name       = "post_message"
  capability = "broadcast"
  suffix     = each.key
  package    = var.package
  deployment = var.deployment
  settings   = var.functions["post_message-${each.key}"]

  variables = {
    SHARD_QUEUE_URLS      = jsonencode([local.queues[each.key].url]) # Version 0.2 requires it. Remove it after 0.3.
    LEFT_QUEUE_URLS       = jsonencode(each.value.queues_for_rest[*].url)
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    OUTCOME_QUEUE_URL     = local.queues["outcome"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    LANE_KIND             = each.value.kind
    LANE_POSTS_PER_SECOND = local.dedicated_lane_posts_per_second[each.key]
    LANE_BUCKET           = each.value.bucket
    LANE_SHARES           = jsonencode(local.lane_shares)
    LANES_TABLE           = local.lanes.name
  }

  queues_read = { ReadChunks = [local.queues[each.key].arn] }

  statements = {
    # Closing, too, for the same reason as the shards' instance.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
    }
    MarkLanes = {
      actions   = local.mark_lanes
      resources = [local.lanes.arn]
    }
    # Outcomes, and chunks whose posts were not all sent in time. The code of version 0.2, which runs in a release's first
    # steps after a rollback, sends such chunks to the queue that it reads. Remove that queue after 0.3.
    SendOutcomes = {
      actions = ["sqs:SendMessage"]
      resources = distinct(concat(
        each.value.queues_for_rest[*].arn,
        [local.queues[each.key].arn, local.queues["outcome"].arn, local.queues["dead-letter"].arn],
      ))
    }
  }
}

# For the same reason as the shards' instance.
resource "aws_lambda_function_recursion_config" "post_message_dedicated" {
  for_each = local.dedicated_lanes

  function_name  = module.post_message_dedicated[each.key].name
  recursive_loop = "Allow"
}

# No more invocations than lanes, for the same reason as the shards' instance.
resource "aws_lambda_event_source_mapping" "post_message_dedicated" {
  for_each = local.dedicated_lanes

  event_source_arn        = aws_sqs_queue.work[each.key].arn
  function_name           = module.post_message_dedicated[each.key].alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = each.value.workers
  }
}

moved {
  from = module.post_message_rooms
  to   = module.post_message_dedicated["rooms"]
}

moved {
  from = aws_lambda_function_recursion_config.post_message_rooms
  to   = aws_lambda_function_recursion_config.post_message_dedicated["rooms"]
}

moved {
  from = aws_lambda_event_source_mapping.rooms
  to   = aws_lambda_event_source_mapping.post_message_dedicated["rooms"]
}

moved {
  from = module.post_message_own
  to   = module.post_message_dedicated
}

moved {
  from = aws_lambda_function_recursion_config.post_message_own
  to   = aws_lambda_function_recursion_config.post_message_dedicated
}

moved {
  from = aws_lambda_event_source_mapping.own
  to   = aws_lambda_event_source_mapping.post_message_dedicated
}
