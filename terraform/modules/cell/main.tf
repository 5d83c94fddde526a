# The data plane: sockets, connections, sessions, messages, and the way of a broadcast from the topic to every connection. Each
# capability is a module, which has its tables, queues and functions; the WebSocket API leads to them.

module "broadcast" {
  source = "../broadcast"

  package       = var.package
  deployment    = var.deployment
  settings      = var.broadcast
  functions     = var.functions
  quota         = var.quota
  subscribers   = var.subscribers
  control_plane = local.is_hub
  cells         = var.cells
  hub           = var.hub
  tables        = local.tables
  leave_queue   = module.channels.queues.leave
  websocket_api = local.websocket_api
}

module "channels" {
  source = "../channels"

  package       = var.package
  deployment    = var.deployment
  settings      = var.connections
  functions     = var.functions
  control_plane = local.is_hub
  session_share = var.session_share
  has_only_cell = var.cells == null && var.hub == null
  tables        = local.tables
  websocket_api = local.websocket_api

  broadcast = {
    topic_arn          = module.broadcast.topic_arn
    keys               = module.broadcast.keys
    lifetime_seconds   = module.broadcast.lifetime_seconds
    express_recipients = module.broadcast.express_recipients
    express_queue      = module.broadcast.queues.express
  }
}

module "connections" {
  source = "../connections"

  package       = var.package
  deployment    = var.deployment
  settings      = var.connections
  functions     = var.functions
  cells         = var.cells
  session_share = var.session_share
  tables        = local.tables
  websocket_api = local.websocket_api
}

module "sessions" {
  source = "../sessions"

  package       = var.package
  deployment    = var.deployment
  functions     = var.functions
  api           = one([for api in var.session_api[*] : merge(api, { silo_tenants = module.messaging.silo_tenants })])
  cells         = var.cells
  hub           = var.hub
  tables        = local.tables
  websocket_api = local.websocket_api
}

module "messaging" {
  source = "../messaging"

  package          = var.package
  deployment       = var.deployment
  settings         = var.messaging
  functions        = var.functions
  session_share    = var.session_share
  disconnect_queue = module.connections.queues.disconnect
  leave_queue      = module.channels.queues.leave
  cells            = var.cells
  hub              = var.hub
  tables           = local.tables
  websocket_api    = local.websocket_api

  broadcast = {
    topic_arn         = module.broadcast.topic_arn
    keys              = module.broadcast.keys
    lifetime_seconds  = module.broadcast.lifetime_seconds
    dead_letter_queue = module.broadcast.queues.dead-letter
  }
}

module "websocket_api" {
  source = "../websocket_api"

  prefix               = var.deployment.prefix
  permissions_boundary = var.deployment.permissions_boundary
  log_retention_days   = var.deployment.log_retention_days
  gateway_endpoint     = var.gateway_endpoint
  api_gateway_account  = var.api_gateway_account
  authorizer           = module.connections.functions.authorizer.alias
  throttle             = local.inbound
  queue_routes         = merge(module.connections.routes, module.messaging.routes)

  routes = {
    "$connect"  = { alias = module.connections.functions.connect.alias }
    "$default"  = { alias = module.messaging.functions.default_route.alias, reply = true }
    joinroom    = { alias = module.messaging.functions.join_room.alias, reply = true }
    publish     = { alias = module.channels.functions.publish_frame.alias, reply = true }
    sendmessage = { alias = module.messaging.functions.send_message.alias, reply = true }
    subscribe   = { alias = module.channels.functions.subscribe.alias, reply = true }
    unsubscribe = { alias = module.channels.functions.subscribe.alias, reply = true }
  }
}

locals {
  is_hub = var.session_api != null

  # Output by output: the functions need these, and the API's routes need the functions.
  websocket_api = {
    url               = module.websocket_api.url
    callback_endpoint = module.websocket_api.callback_endpoint
    post_arn          = module.websocket_api.post_arn
    close_arn         = module.websocket_api.close_arn
    look_up_arn       = module.websocket_api.look_up_arn
  }

  tables = merge(
    module.broadcast.tables, module.channels.tables, module.connections.tables, module.messaging.tables, module.sessions.tables,
  )
  queues = merge(
    module.broadcast.queues, module.channels.queues, module.connections.queues, module.messaging.queues, module.sessions.queues,
  )
  functions = merge(
    module.broadcast.functions, module.channels.functions, module.connections.functions, module.messaging.functions,
    module.sessions.functions,
  )

  # A fifth of the quota for what all clients do, and for all their other frames together. These share half of the bucket,
  # so that a room of 300 may talk at once. It does not bound what frames cause: a frame may be answered with a post to each
  # connection of a session or of a room.
  inbound = {
    rate        = var.quota.posts_per_second / 5
    burst       = var.quota.burst / 2
    crowd_burst = var.quota.burst / 5
  }
}
