module "post_message" {
  source = "../lambda_function"

  name                    = "post_message"
  capability              = "broadcast"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.post_message
  memory                  = local.memory.post_message
  reserved_concurrency    = lookup(var.reserved_concurrency, "post_message", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "post_message", null)

  variables = {
    SHARD_QUEUE_URLS      = jsonencode(local.shards[*].url)
    CALLBACK_ENDPOINT     = module.websocket_api.callback_endpoint
    OUTCOME_QUEUE_URL     = local.queues["outcome"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    LANE_KIND             = "normal"
    LANE_POSTS_PER_SECOND = local.lane_posts_per_second
    LANE_SHARES           = jsonencode(local.lane_shares)
    LANES_TABLE           = local.lanes.name
  }

  statements = {
    ReadChunks = {
      actions   = local.consume
      resources = local.shards[*].arn
    }
    # Closing too: a client that does not read must know that it misses something.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [module.websocket_api.post_arn, module.websocket_api.close_arn]
    }
    MarkLanes = {
      actions   = local.mark_lanes
      resources = [local.lanes.arn]
    }
    # Its own shards too: what is left when the time ends goes back.
    SendOutcomes = {
      actions   = ["sqs:SendMessage"]
      resources = concat(local.shards[*].arn, [local.queues["outcome"].arn, local.queues["dead-letter"].arn])
    }
  }
}

# It sends what is left of a chunk to the queue that it reads, at most eight times. Lambda takes that for a loop and would
# drop the message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "post_message" {
  function_name  = module.post_message.name
  recursive_loop = "Allow"
}

# Messages to large rooms are posted by an instance of their own, at a rate of their own.
module "post_message_rooms" {
  source = "../lambda_function"

  name                    = "post_message"
  capability              = "broadcast"
  suffix                  = "rooms"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.post_message
  memory                  = local.memory.post_message
  reserved_concurrency    = lookup(var.reserved_concurrency, "post_message-rooms", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "post_message-rooms", null)

  variables = {
    SHARD_QUEUE_URLS      = jsonencode([local.queues["rooms"].url])
    CALLBACK_ENDPOINT     = module.websocket_api.callback_endpoint
    OUTCOME_QUEUE_URL     = local.queues["outcome"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    LANE_KIND             = "low"
    LANE_POSTS_PER_SECOND = local.room_lane_posts_per_second
    LANE_SHARES           = jsonencode(local.lane_shares)
    LANES_TABLE           = local.lanes.name
  }

  statements = {
    ReadChunks = {
      actions   = local.consume
      resources = [local.queues["rooms"].arn]
    }
    # Closing too, for the same reason as the other one's.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [module.websocket_api.post_arn, module.websocket_api.close_arn]
    }
    MarkLanes = {
      actions   = local.mark_lanes
      resources = [local.lanes.arn]
    }
    # Its own queue too: what is left when the time ends goes back.
    SendOutcomes = {
      actions   = ["sqs:SendMessage"]
      resources = [local.queues["rooms"].arn, local.queues["outcome"].arn, local.queues["dead-letter"].arn]
    }
  }
}

# For the same reason as the other one's.
resource "aws_lambda_function_recursion_config" "post_message_rooms" {
  function_name  = module.post_message_rooms.name
  recursive_loop = "Allow"
}
