# Alarms watch queues and streams: after any failure a message or a record waits, or ends in a queue of failures. If a
# client waits for the answer instead, alarms watch the function, the API and the tables. docs/runbook.md explains how
# to react.

locals {
  # A broadcast's message may wait for half of its lifetime; the other half is for the person on call. A client that
  # waits for an answer or a direct message should not wait longer.
  longest_wait_seconds = floor(module.broadcast.lifetime_seconds / 2)

  work_queues = merge(
    {
      for name in keys(module.broadcast.queues) : name => "nobody posts it, or not fast enough: its subscriber may be down"
      if startswith(name, "shard-")
    },
    {
      broadcast   = "swarm does not take broadcasts"
      partition   = "query does not take sources"
      rooms       = "what is said in large rooms is not posted, or more is said than its share of the quota takes"
      express     = "small broadcasts are not posted: post_message-express fails, or is throttled"
      outcome     = "settle does not take outcomes: reports lag behind, deliveries do not"
      undelivered = "settle does not take what could not be handled: reports do not end"
      inbox       = "relay_message does not deliver an inbox, or not fast enough"
      disconnect  = "disconnect does not delete the rows of connections that closed, or not fast enough"
      leave       = "leave_channels does not end the subscriptions of connections that closed, or not fast enough"
    },
    {
      for name, tenant in module.messaging.echo_queues : name =>
      "echo does not answer the frames of ${tenant == null ? "the pool" : "tenant ${tenant}"}, or not fast enough"
    },
    {
      for name, cell in module.messaging.forward_queues : name =>
      "direct messages of the cell ${cell} do not reach players on other cells: forward_message fails, or a cell does not answer"
    },
  )

  # In a further cell.
  report_reader = { for name in keys(local.functions) : name => { function = local.functions[name].name, lag = "the hub's reports lag behind" } if name == "report" }

  stream_readers = merge(local.report_reader, {
    accounting         = { function = local.functions.accounting.name, lag = "counts and totals lag behind" }
    presence           = { function = local.functions.presence.name, lag = "inboxes are not woken, leaves are not announced, subscriptions do not end" }
    accounting-members = { function = local.functions["accounting-members"].name, lag = "counts of channels' members lag behind" }
    end_session        = { function = local.functions.end_session.name, lag = "connections of ended sessions stay open" }
  })

  # The metric is of all of a function's aliases and versions, in milliseconds. It comes with invocations: a reader that is
  # not invoked at all has none, and its records are given up after an hour, which the queues of failures show.
  # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
  stream_ages = {
    for name, reader in local.stream_readers : name => {
      threshold = local.longest_wait_seconds * 1000
      metric = {
        namespace  = "AWS/Lambda"
        name       = "IteratorAge"
        dimensions = { FunctionName = reader.function }
        statistic  = "Maximum"
      }
    }
  }

  failure_queues = toset(concat([
    "accounting-failure", "accounting-members-failure", "dead-letter", "dead-letter-fifo", "end-session-failure", "inbox-failure",
    "leave-failure", "presence-failure",
  ], [for name in keys(local.report_reader) : "${name}-failure"], length(module.messaging.forward_queues) > 0 ? ["forward-failure"] : []))

  # A queue's URL ends with its name.
  queue_names = { for name, queue in local.queues : name => regex("[^/]+$", queue.url) }
}

module "waiting_alarm" {
  source   = "../alarm"
  for_each = local.work_queues

  name        = "${var.deployment.prefix}-${each.key}-waiting"
  description = "A message waits in ${each.key}: ${each.value}."
  threshold   = local.longest_wait_seconds
  topic_arn   = var.deployment.alarm_topic_arn

  metric = {
    namespace  = "AWS/SQS"
    name       = "ApproximateAgeOfOldestMessage"
    dimensions = { QueueName = local.queue_names[each.key] }
    statistic  = "Maximum"
  }
}

module "behind_alarm" {
  source   = "../alarm"
  for_each = local.stream_readers

  name        = "${var.deployment.prefix}-${each.key}-behind"
  description = "Records wait in a stream that ${each.key} reads: ${each.value.lag}."
  threshold   = local.stream_ages[each.key].threshold
  metric      = local.stream_ages[each.key].metric
  topic_arn   = var.deployment.alarm_topic_arn
}

module "failure_alarm" {
  source   = "../alarm"
  for_each = local.failure_queues

  name        = "${var.deployment.prefix}-${each.key}-not-empty"
  description = "Something could not be handled and rests in ${each.key}: the runbook says what to do."
  threshold   = 0
  topic_arn   = var.deployment.alarm_topic_arn

  metric = {
    namespace  = "AWS/SQS"
    name       = "ApproximateNumberOfMessagesVisible"
    dimensions = { QueueName = local.queue_names[each.key] }
    statistic  = "Maximum"
  }
}

# `reconcile` and its instance have no queue either: a schedule calls them.
module "function_alarms" {
  source = "../function_alarms"

  prefix    = var.deployment.prefix
  topic_arn = var.deployment.alarm_topic_arn

  functions = {
    for name in ["authorizer", "connect", "default_route", "disconnect", "join_room", "publish_frame", "reconcile", "reconcile-members", "send_message", "subscribe"] :
    name => local.functions[name].name
  }
}

locals {
  # An execution error is API Gateway's own: it may not call the function or the queue. An integration error is an answer of
  # 400 or more, and so are refused handshakes, of which a flood has many.
  # https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
  gateway_errors = {
    ExecutionError   = { threshold = 10, description = "API Gateway cannot call what is behind a route: a permission is missing, or a function is throttled." }
    IntegrationError = { threshold = 1000, description = "Functions refuse handshakes, or fail: look for ConnectionRefused, and for errors of connect and authorizer." }
  }

  # On-demand tables throttle for a moment when they grow, and the SDK tries again: that raises no alarm.
  # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
  tolerated_throttles = 100

  # A table's metric leaves out the table's indexes.
  throttled = merge(
    { for name, table in local.tables : name => { TableName = table.name } },
    { for name, index in module.connections.indexes : name => { TableName = index.table, GlobalSecondaryIndexName = index.name } },
  )
  watched_throttles = {
    for pair in setproduct(keys(local.throttled), ["Read", "Write"]) :
    "${pair[0]}-${lower(pair[1])}s" => { name = pair[0], metric = "${pair[1]}ThrottleEvents", dimensions = local.throttled[pair[0]] }
  }
}

module "gateway_alarm" {
  source   = "../alarm"
  for_each = local.gateway_errors

  name        = "${var.deployment.prefix}-websocket-${each.key}"
  description = each.value.description
  threshold   = each.value.threshold
  topic_arn   = var.deployment.alarm_topic_arn

  metric = {
    namespace  = "AWS/ApiGateway"
    name       = each.key
    dimensions = { ApiId = module.websocket_api.id, Stage = module.websocket_api.stage }
    statistic  = "Sum"
  }
}

# Only in a hub with further cells.
module "placement_alarm" {
  source = "../alarm"
  for_each = {
    for metric, description in {
      NoCellAlive       = "No cell has a weight, so sessions are placed on all that are alive: take back orders, or declare a weight."
      CellsLostTogether = "Cells with more than half of the weight do not renew their leases, and get sessions all the same."
      CellMisleads      = "A cell names a URL for clients that is not its own, and gets no sessions: it may be taken over."
    } : metric => description if var.cells != null
  }

  name        = "${var.deployment.prefix}-${each.key}"
  description = each.value
  threshold   = 0
  topic_arn   = var.deployment.alarm_topic_arn

  metric = {
    namespace  = "Loudhailer"
    name       = each.key
    dimensions = { service = "session_api" }
    statistic  = "Sum"
  }
}

module "throttled_alarm" {
  source   = "../alarm"
  for_each = local.watched_throttles

  name        = "${var.deployment.prefix}-${each.key}-throttled"
  description = "DynamoDB throttles ${each.value.name}: a key takes more than it can, or the table has reached its quota."
  threshold   = local.tolerated_throttles
  topic_arn   = var.deployment.alarm_topic_arn

  metric = {
    namespace  = "AWS/DynamoDB"
    name       = each.value.metric
    dimensions = each.value.dimensions
    statistic  = "Sum"
  }
}
