module "query" {
  source = "../lambda_function"

  name       = "query"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.query

  variables = {
    CONNECTIONS_TABLE     = local.connections.name
    MEMBERS_TABLE         = local.members.name
    SESSIONS_TABLE        = local.sessions.name
    DEVICES_TABLE         = local.devices.name
    BROADCASTS_TABLE      = local.broadcasts.name
    LANES_TABLE           = local.lanes.name
    PARTITION_QUEUE_URL   = local.queues["partition"].url
    SHARD_QUEUE_URLS      = jsonencode(local.query_shards[*].url)
    ROOM_QUEUE_URL        = local.queues["rooms"].url
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    CHUNK_SIZE            = var.settings.chunk_size
    LANE_COUNT            = local.query_lanes
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
  }

  queues_read = { ReadSources = [local.queues["partition"].arn] }

  statements = {
    ReadConnections = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:Query"]
      resources = [local.connections.arn]
    }
    FindSubscribers = {
      actions   = ["dynamodb:Query"]
      resources = [local.members.arn]
    }
    FindMembersAndPlayers = {
      actions   = ["dynamodb:Query"]
      resources = [local.connections.by_room_arn, local.devices.arn]
    }
    ReadSession = {
      actions   = ["dynamodb:GetItem"]
      resources = [local.sessions.arn]
    }
    FixRecipients = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    MarkLanes = {
      actions   = ["dynamodb:UpdateItem"]
      resources = [local.lanes.arn]
    }
    SendChunks = {
      actions   = ["sqs:SendMessage"]
      resources = concat(local.shards[*].arn, [local.queues["rooms"].arn, local.queues["dead-letter"].arn])
    }
  }
}

resource "aws_lambda_event_source_mapping" "query" {
  event_source_arn        = aws_sqs_queue.work["partition"].arn
  function_name           = module.query.alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  # Chunks are found many times faster than they are posted. More queries at once would exceed the table's throughput.
  scaling_config {
    maximum_concurrency = var.settings.query_concurrency
  }
}
