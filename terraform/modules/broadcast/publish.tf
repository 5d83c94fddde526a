module "publish" {
  source = "../lambda_function"
  count  = var.control_plane ? 1 : 0

  name       = "publish"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.publish

  variables = {
    TENANTS_TABLE            = local.tenants.name
    PARTITIONS_TABLE         = local.partitions.name
    AUDIENCES_TABLE          = local.audiences.name
    CONNECTIONS_TABLE        = local.connections.name
    MEMBERS_TABLE            = local.members.name
    CHANNELS_ENABLED         = !var.deployment.before_channels
    SESSIONS_TABLE           = local.sessions.name
    DEVICES_TABLE            = local.devices.name
    BROADCASTS_TABLE         = local.broadcasts.name
    BROADCAST_KEYS           = var.settings.keys
    BROADCAST_TOPIC_ARN      = aws_sns_topic.broadcast.arn
    EXPRESS_QUEUE_URL        = local.queues["express"].url
    EXPRESS_RECIPIENTS       = local.express_recipients
    CALLBACK_ENDPOINT        = var.websocket_api.callback_endpoint
    POSTS_PER_SECOND         = local.posts_per_second
    LANE_COUNT               = local.query_lanes
    CHUNK_SIZE               = var.settings.chunk_size
    MESSAGE_LIFETIME_SECONDS = var.settings.lifetime_seconds

    CELLS            = try(var.cells.json, null)
    CELLS_TABLE      = try(var.tables.cells.name, null)
    PLACEMENTS_TABLE = try(var.tables.placements.name, null)
  }

  statements = merge(local.find_cells, local.find_recipients, {
    ReadTenant = {
      actions   = ["dynamodb:GetItem"]
      resources = [local.tenants.arn]
    }
    # A scan of all partitions, for a broadcast to everyone.
    CountRecipients = {
      actions   = ["dynamodb:Query", "dynamodb:Scan"]
      resources = [local.partitions.arn]
    }
    CountMembers = {
      actions   = ["dynamodb:Query"]
      resources = [local.audiences.arn]
    }
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    Publish = {
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.broadcast.arn]
    }
    # It stays even if no broadcast is small any more. An earlier version may still run, or run again after a rollback.
    # The next attempt of any version sends a broadcast that was recorded as small.
    SendChunk = {
      actions   = ["sqs:SendMessage"]
      resources = [local.queues["express"].arn]
    }
  })
}

locals {
  # At most the bucket of a lane: recipients that it cannot post at once would wait for a shard.
  express_recipients = coalesce(var.settings.express_recipients, min(var.settings.chunk_size, local.express_bucket))

  # The recipients of a small broadcast, if broadcasts may be small.
  find_recipients = {
    for sid, statement in {
      FindRecipients        = { actions = ["dynamodb:BatchGetItem", "dynamodb:Query"], resources = [local.connections.arn] }
      FindSubscribers       = { actions = ["dynamodb:Query"], resources = [local.members.arn] }
      FindMembersAndPlayers = { actions = ["dynamodb:Query"], resources = [local.connections.by_room_arn, local.devices.arn] }
      ReadSession           = { actions = ["dynamodb:GetItem"], resources = [local.sessions.arn] }
    } : sid => statement if local.express_recipients > 0
  }

  find_cells = {
    for sid, statement in {
      ReadCells      = { actions = ["dynamodb:BatchGetItem"], resources = [try(var.tables.cells.arn, null)] }
      ReadPlacements = { actions = ["dynamodb:Query"], resources = [try(var.tables.placements.arn, null)] }
    } : sid => statement if var.cells != null
  }
}

moved {
  from = module.publish
  to   = module.publish[0]
}
