# The data plane: sockets, connections, and the way of a broadcast from the topic to every one of them.

module "connection_store" {
  source = "../connection_store"

  prefix              = var.deployment.prefix
  deletion_protection = var.deletion_protection
}

module "tenancy" {
  source = "../tenancy"

  prefix              = var.deployment.prefix
  deletion_protection = var.deletion_protection
}

module "broadcast" {
  source = "../broadcast"

  prefix              = var.deployment.prefix
  deletion_protection = var.deletion_protection
  shards              = var.shards
  query_concurrency   = var.query_concurrency

  # `publish` is the control plane's, which is made after the cell; both by their names, so that neither waits.
  publisher_role_arns = [
    for name in ["publish", "send_message"] : join(":", [
      "arn", data.aws_partition.current.partition, "iam", "", data.aws_caller_identity.current.account_id,
      "role/${var.deployment.prefix}/${var.deployment.prefix}-${name}",
    ])
  ]

  subscribers = {
    for name, subscriber in var.subscribers : name => {
      function_role_arn = local.subscriber_function_role_arns[name]
      shards            = subscriber.shards
      shared            = subscriber.shared
    }
  }

  timeouts = {
    swarm        = local.timeouts.swarm
    query        = local.timeouts.query
    post_message = local.timeouts.post_message
    settle       = local.timeouts.settle
  }

  consumers = {
    swarm        = module.swarm.alias.arn
    query        = module.query.alias.arn
    post_message = module.post_message.alias.arn
    rooms        = module.post_message_rooms.alias.arn
    settle       = module.settle.alias.arn
  }
}

module "websocket_api" {
  source = "../websocket_api"

  prefix               = var.deployment.prefix
  permissions_boundary = var.deployment.permissions_boundary
  gateway_endpoint     = var.gateway_endpoint
  log_retention_days   = var.deployment.log_retention_days
  api_gateway_account  = var.api_gateway_account
  authorizer           = module.authorizer.alias
  throttle             = local.inbound

  queue_routes = merge(module.messaging.routes, {
    "$disconnect" = { queue_name = aws_sqs_queue.disconnect.name, queue_arns = [aws_sqs_queue.disconnect.arn] }
  })

  routes = {
    "$connect"  = { alias = module.connect.alias }
    "$default"  = { alias = module.default_route.alias, reply = true }
    joinroom    = { alias = module.join_room.alias, reply = true }
    sendmessage = { alias = module.send_message.alias, reply = true }
  }
}

locals {
  default_timeouts = {
    authorizer    = 10
    connect       = 10
    disconnect    = 10
    default_route = 5
    join_room     = 10
    send_message  = 10
    presence      = 30
    relay_message = 10
    accounting    = 30
    swarm         = 20
    query         = 20
    post_message  = 10
    settle        = 20
    reconcile     = 60
    end_session   = 30
    echo          = 10
  }
  timeouts = merge(local.default_timeouts, var.timeouts)

  # What has a concurrency of its own: the workers of large rooms are another function than those of the shards.
  function_names = concat(keys(local.default_timeouts), ["post_message-rooms"])

  # A sender is busy with signatures and TLS: it gets a whole vCPU.
  memory = merge({ for name in keys(local.default_timeouts) : name => 512 }, { post_message = 1769 }, var.memory)

  tables      = merge(module.connection_store.tables, module.tenancy.tables, module.broadcast.tables)
  connections = module.connection_store.tables.connections
  devices     = module.connection_store.tables.devices
  partitions  = module.connection_store.tables.partitions
  tenants     = module.tenancy.tables.tenants
  sessions    = module.tenancy.tables.sessions
  limits      = module.tenancy.tables.limits
  messages    = module.tenancy.tables.messages
  places      = module.tenancy.tables.places
  broadcasts  = module.broadcast.tables.broadcasts
  lanes       = module.broadcast.tables.lanes
  queues      = module.broadcast.queues
  shards      = module.broadcast.shards

  # A fifth of the quota for what all clients do, and for all their other frames together. It does not bound what those
  # cause: a frame may be answered with a post to each connection of a session or of a room.
  inbound = { rate = var.quota.posts_per_second / 5, burst = var.quota.burst / 5 }

  # Each kind of lanes has a share of the quota, which its lanes divide. What a kind leaves idle, the others borrow.
  posts_per_second           = var.quota.posts_per_second * var.quota.headroom
  lane_shares                = { normal = 1 - var.quota.rooms, low = var.quota.rooms }
  lane_posts_per_second      = floor(local.posts_per_second * local.lane_shares.normal / (var.shards.count * var.shards.concurrency))
  room_lane_posts_per_second = max(1, floor(local.posts_per_second * local.lane_shares.low / module.broadcast.room_workers))

  mark_lanes = ["dynamodb:GetItem", "dynamodb:UpdateItem"]

  # What Lambda's pollers do with a queue in the name of the function.
  consume = [
    "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
  ]
}
