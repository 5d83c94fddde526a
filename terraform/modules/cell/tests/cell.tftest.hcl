mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

override_resource {
  target          = module.connections.aws_dynamodb_table.connections
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/connections"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/connections/stream/1"
  }
}

override_resource {
  target          = module.connections.aws_dynamodb_table.devices
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/devices"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/devices/stream/1"
  }
}

override_resource {
  target          = module.connections.aws_dynamodb_table.partitions
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/partitions/stream/1"
  }
}

override_resource {
  target          = module.sessions.aws_dynamodb_table.tenants
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants/stream/1"
  }
}

override_resource {
  target          = module.sessions.aws_dynamodb_table.sessions
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions/stream/1"
  }
}

override_resource {
  target          = module.sessions.aws_dynamodb_table.limits
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/limits"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/limits/stream/1"
  }
}

override_resource {
  target          = module.broadcast.aws_dynamodb_table.broadcasts
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts/stream/1"
  }
}

override_resource {
  target          = module.channels.aws_dynamodb_table.members
  override_during = plan
  values = {
    arn        = "arn:aws:dynamodb:us-east-1:111111111111:table/members"
    stream_arn = "arn:aws:dynamodb:us-east-1:111111111111:table/members/stream/1"
  }
}

override_resource {
  target          = module.channels.aws_dynamodb_table.audiences
  override_during = plan
  values = {
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/audiences"
  }
}

override_resource {
  target          = module.channels.aws_dynamodb_table.subscriptions
  override_during = plan
  values = {
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/subscriptions"
  }
}

override_resource {
  target          = module.broadcast.aws_dynamodb_table.lanes
  override_during = plan
  values = {
    arn = "arn:aws:dynamodb:us-east-1:111111111111:table/lanes"
  }
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  functions = {
    accounting           = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    accounting-members   = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    authorizer           = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    connect              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    default_route        = { timeout = 5, memory = 512, reserved = null, provisioned = null }
    disconnect           = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    echo                 = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    end_session          = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    join_room            = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    leave_channels       = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    presence             = { timeout = 30, memory = 512, reserved = null, provisioned = null }
    publish              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    reconcile            = { timeout = 60, memory = 512, reserved = null, provisioned = null }
    reconcile-members    = { timeout = 60, memory = 512, reserved = null, provisioned = null }
    relay_message        = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    publish_frame        = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    send_message         = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    session_api          = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    subscribe            = { timeout = 10, memory = 512, reserved = null, provisioned = null }
    swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
  }
  quota         = { posts_per_second = 10000, burst = 5000, headroom = 0.98, rooms = 0.1, express = 0.05 }
  session_share = 0.25
  session_api = {
    session_auth = "iam"
    tenant_claim = "tenantId"
    list_tenants = false
    connects     = { per_second = 500, reserve = 0.03 }
  }
}

# A plan takes seconds: all that holds with these variables is in one run.
run "the_cell_of_a_hub_is_complete_and_every_function_has_exactly_its_permissions" {
  command = plan

  assert {
    condition = {
      for action in ["PutItem", "UpdateItem", "DeleteItem", "BatchWriteItem", "PartiQLDelete", "PartiQLInsert", "PartiQLUpdate"] : action => join(" ", [
        for name, function in local.functions : name
        if anytrue([
          for statement in function.statements : contains(statement.Action, "dynamodb:${action}")
          if contains(statement.Resource, "arn:aws:dynamodb:us-east-1:111111111111:table/connections")
        ])
      ])
      } == {
      PutItem        = "connect reconcile"
      UpdateItem     = "join_room subscribe"
      DeleteItem     = "connect disconnect echo end_session join_room leave_channels presence reconcile relay_message send_message settle"
      BatchWriteItem = ""
      PartiQLDelete  = "disconnect settle"
      PartiQLInsert  = ""
      PartiQLUpdate  = ""
    }
    error_message = "Only connect may record a connection, only reconcile put a probe beside, only join_room and subscribe change it; and only those delete one that learn of its end."
  }
  assert {
    condition = {
      for name, function in local.functions : name => [
        for resource in flatten([
          for statement in function.role.policy.Statement : statement.Resource if strcontains(join(" ", statement.Action), "execute-api:")
        ]) : trimprefix(resource, "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/")
      ]
      if strcontains(jsonencode(function.role.policy), "execute-api:")
      } == {
      connect              = ["GET/@connections/*"]
      disconnect           = ["DELETE/@connections/*"]
      join_room            = ["POST/@connections/*"]
      send_message         = ["POST/@connections/*"]
      presence             = ["POST/@connections/*"]
      relay_message        = ["POST/@connections/*", "DELETE/@connections/*"]
      post_message         = ["POST/@connections/*", "DELETE/@connections/*"]
      post_message-rooms   = ["POST/@connections/*", "DELETE/@connections/*"]
      post_message-express = ["POST/@connections/*", "DELETE/@connections/*"]
      echo                 = ["POST/@connections/*", "DELETE/@connections/*"]
      end_session          = ["DELETE/@connections/*"]
    }
    error_message = "join_room, send_message, presence, relay_message, post_message and echo may post to this cell's connections; relay_message, post_message, echo, disconnect and end_session may close them; and no other function may do anything to any."
  }
  assert {
    condition = sort([for name, function in local.functions : name if function.tenant_role != null]) == tolist([
      "default_route", "echo", "end_session", "join_room", "presence", "publish_frame", "relay_message", "send_message", "subscribe",
    ])
    error_message = "Functions that act for one tenant at a time must have a role for it, and no others."
  }
  assert {
    condition = alltrue(flatten([
      for function in local.functions : [
        for statement in function.role.policy.Statement : statement.Resource == tolist([local.tables.broadcasts.arn])
        if anytrue([for action in statement.Action : can(regex("^dynamodb:(.*Item|Query|Scan)$", action))])
      ] if function.tenant_role != null
    ]))
    error_message = "Such a function must reach no table as itself, but that of broadcasts, which are no tenant's."
  }
  assert {
    condition = !anytrue(flatten([
      for function in local.functions : [
        for statement in function.statements : contains(statement.Resource, local.tables.broadcasts.arn)
        if can(statement.Condition.Null["dynamodb:LeadingKeys"])
      ]
    ]))
    error_message = "No tenant may reach broadcasts."
  }
  assert {
    condition = !anytrue(flatten([
      for function in local.functions : [
        for statement in function.statements :
        strcontains(join(" ", statement.Action), "*") || contains(statement.Resource, "*") && statement.Sid != "SendTraces"
      ]
    ]))
    error_message = "Actions and resources must be exact."
  }
  assert {
    condition = join(" ", sort([
      for name, function in local.functions : name
      if anytrue([for statement in function.statements : contains(statement.Action, "dynamodb:DeleteItem") && contains(statement.Resource, local.tables.sessions.arn)])
    ])) == "connect default_route echo join_room publish_frame reconcile send_message session_api subscribe"
    error_message = "Functions that count a session's attempts must be able to end it, and few others."
  }
  assert {
    condition = jsonencode({
      for name, function in local.functions : name => [
        for statement in function.statements : [
          [for action in statement.Action : action if strcontains(action, "PartiQL")], statement.Resource
        ] if strcontains(join(" ", statement.Action), "PartiQL")
      ]
      if strcontains(jsonencode(function.statements), "PartiQL")
      }) == jsonencode({
      accounting = [[["dynamodb:PartiQLUpdate"], [local.tables.sessions.arn]]]
      disconnect = [[["dynamodb:PartiQLDelete"], [local.tables.connections.arn]]]
      leave_channels = [
        [["dynamodb:PartiQLDelete"], [local.tables.members.arn]],
        [["dynamodb:PartiQLDelete"], [local.tables.subscriptions.arn]],
      ]
      reconcile = [[["dynamodb:PartiQLDelete"], [local.tables.sessions.arn]]]
      settle    = [[["dynamodb:PartiQLDelete"], [local.tables.connections.arn]]]
    })
    error_message = "PartiQL may only have accounting change sessions, reconcile delete them, disconnect and settle delete connections, and leave_channels end members and subscriptions."
  }
  assert {
    condition = anytrue([
      for statement in local.functions.reconcile.statements :
      contains(statement.Action, "dynamodb:GetItem") && contains(statement.Resource, local.tables.sessions.arn)
    ])
    error_message = "The release before must still be able to sweep sessions: its reconcile reads their former keys."
  }
  assert {
    condition = jsonencode([
      for name in ["post_message", "post_message-rooms", "post_message-express"] : [
        for statement in local.functions[name].role.policy.Statement : statement.Resource if statement.Sid == "ReadChunks"
      ]
    ]) == jsonencode([[[for n in range(2) : local.queues["shard-${n}"].arn]], [[local.queues["rooms"].arn]], [[local.queues["express"].arn]]])
    error_message = "No worker may read the other's queues."
  }
  assert {
    condition = {
      for name, function in local.functions : name => flatten([
        for statement in function.statements : statement.Action if contains(statement.Resource, local.tables.lanes.arn)
      ])
      if anytrue([for statement in function.statements : contains(statement.Resource, local.tables.lanes.arn)])
      } == {
      query                = ["dynamodb:UpdateItem"]
      post_message         = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      post_message-rooms   = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
      post_message-express = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
    }
    error_message = "query marks lanes, workers read the marks too, and nobody else has any business there."
  }

  # `connect` and `disconnect` access rows with their own roles.
  assert {
    condition = {
      for name in ["connect", "disconnect"] : name => {
        for statement in local.functions[name].role.policy.Statement :
        trimprefix(one(statement.Resource), "arn:aws:dynamodb:us-east-1:111111111111:table/") => join(" ", statement.Action)
        if anytrue([for action in statement.Action : startswith(action, "dynamodb:")])
      }
      } == {
      connect = {
        connections = "dynamodb:BatchGetItem dynamodb:DeleteItem dynamodb:PutItem"
        devices     = "dynamodb:PutItem"
        limits      = "dynamodb:UpdateItem"
        sessions    = "dynamodb:DeleteItem dynamodb:GetItem dynamodb:UpdateItem"
      }
      disconnect = {
        connections = "dynamodb:DeleteItem dynamodb:PartiQLDelete"
      }
    }
    error_message = "connect and disconnect must have exact actions on exact tables, and no query or scan that finds keys."
  }
  assert {
    condition     = !anytrue([for name in ["connect", "disconnect"] : strcontains(jsonencode(local.functions[name].role.policy), "sts:")])
    error_message = "connect and disconnect must assume no role: STS answers 600 calls a second for an account."
  }

  # A tenant can access its sessions under both keys.
  assert {
    condition = toset(flatten([
      for function in local.functions : [
        for statement in function.statements : statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
        if contains(statement.Resource, local.tables.sessions.arn) && can(statement.Condition["ForAllValues:StringLike"])
      ]
    ])) == toset(["$${aws:PrincipalTag/tenantId}#*", "$${aws:PrincipalTag/tenantId}"])
    error_message = "A tenant's roles must reach {tenantId}#* and {tenantId} in the table of sessions, and nothing else."
  }

  # Unanswered clients and throttled functions raise an alarm.
  assert {
    condition = toset([for alarm in values(module.function_alarms.alarms) : alarm.function]) == toset([
      for name in ["authorizer", "connect", "default_route", "disconnect", "join_room", "publish_frame", "reconcile", "reconcile-members", "send_message", "subscribe"] :
      "loudhailer-test-${name}"
    ])
    error_message = "Every function without a queue or a stream in front of it must be watched."
  }
  assert {
    condition = toset(keys(module.throttled_alarm)) == toset(flatten([
      for name in concat(keys(output.tables), ["room-index"]) : ["${name}-reads", "${name}-writes"]
    ]))
    error_message = "Every table and index must be watched for throttled reads and writes."
  }
  assert {
    condition = local.watched_throttles["room-index-writes"] == {
      name       = "room-index"
      metric     = "WriteThrottleEvents"
      dimensions = { TableName = output.tables.connections.name, GlobalSecondaryIndexName = "room" }
    }
    error_message = "An index is watched by its own dimension: the metric of its table leaves it out."
  }
  assert {
    condition     = toset(keys(module.gateway_alarm)) == toset(["ExecutionError", "IntegrationError"])
    error_message = "The API must be watched for what it cannot call."
  }

  # A hub has nothing of a further cell.
  assert {
    condition     = length(setintersection(concat(keys(output.functions), keys(output.queues)), ["beat", "report", "report-failure"])) == 0
    error_message = "The hub tells nobody, and is asked by session_api itself."
  }
}

run "the_former_release_keeps_its_roles_while_it_runs" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      former_release       = true
      before_channels      = true
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = null
    }
  }

  assert {
    condition     = alltrue([for name in ["connect", "disconnect"] : local.functions[name].tenant_role != null])
    error_message = "Functions that run until the release has shifted must be able to assume their roles."
  }
}

run "clients_may_use_a_fifth_of_the_quota_and_half_of_its_bucket" {
  command = plan

  variables {
    quota = { posts_per_second = 20000, burst = 5000, headroom = 0.98, rooms = 0.1, express = 0.05 }
  }

  assert {
    condition     = local.inbound == { rate = 4000, burst = 2500, crowd_burst = 1000 }
    error_message = "Clients must get a fifth of the quota, and half of its bucket."
  }
}

run "every_reader_of_a_stream_has_its_alarm" {
  command = plan

  variables {
    broadcast = { lifetime_seconds = 600 }
  }

  assert {
    condition     = toset(keys(module.behind_alarm)) == toset(["accounting", "accounting-members", "end_session", "presence"])
    error_message = "Each function that reads a stream must be watched."
  }
  assert {
    condition = alltrue([
      for name, age in local.stream_ages :
      age.metric.namespace == "AWS/Lambda" && age.metric.name == "IteratorAge" && age.metric.statistic == "Maximum"
      && age.metric.dimensions == { FunctionName = "loudhailer-test-${name}" } && age.threshold == 300000
    ])
    error_message = "A record may wait for half of a broadcast's life, in milliseconds."
  }
}

run "every_silo_has_a_consumer_of_its_own_and_every_queue_its_alarm" {
  command = plan

  variables {
    broadcast = { shards = { count = 3 } }
    messaging = { silo_tenants = ["gold"] }
  }

  assert {
    condition = toset(keys(module.waiting_alarm)) == toset([
      "broadcast", "disconnect", "express", "inbox", "leave", "outcome", "partition", "pooled", "rooms", "shard-0", "shard-1", "shard-2", "silo-gold", "undelivered",
    ])
    error_message = "Every queue of work must be watched, each shard's and each silo's among them."
  }
  assert {
    condition     = toset(concat(keys(module.waiting_alarm), keys(module.failure_alarm))) == toset(keys(local.queues))
    error_message = "No queue may be left unwatched."
  }
  assert {
    condition = toset(keys(module.failure_alarm)) == toset([
      for name in keys(local.queues) : name if length(regexall("dead-letter|failure", name)) > 0
    ])
    error_message = "Every queue of failures must be watched."
  }
  assert {
    condition = { for name, function in output.functions : name => function if startswith(name, "echo") } == {
      echo        = "loudhailer-test-echo"
      "echo-gold" = "loudhailer-test-echo-gold"
    }
    error_message = "The pool and each silo must have a consumer."
  }
}

run "a_further_cell_reports_to_its_hub_and_has_no_public_api" {
  command = plan

  variables {
    session_api = null
    hub = {
      name           = "north"
      region         = "us-east-1"
      hub_region     = "eu-south-1"
      hub_account_id = "555555555555"
      role           = { arn = "arn:aws:iam::555555555555:role/loudhailer-test/loudhailer-test-cell-north", external_id = "north-1" }
      topic_arn      = "arn:aws:sns:eu-south-1:555555555555:loudhailer-test-broadcast"
      tables         = { broadcasts = "loudhailer-test-broadcasts", cells = "loudhailer-test-cells", tenants = "loudhailer-test-tenants" }
      weights        = { hub = 1, north = 1 }
      placement      = { home_connections = 20000, beat_seconds = 5, lease_seconds = 15 }
    }
    functions = {
      accounting           = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      accounting-members   = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      authorizer           = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      beat                 = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      connect              = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      default_route        = { timeout = 5, memory = 512, reserved = null, provisioned = null }
      disconnect           = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      echo                 = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      end_session          = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      join_room            = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      leave_channels       = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      post_message         = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-rooms   = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      post_message-express = { timeout = 10, memory = 1769, reserved = null, provisioned = null }
      presence             = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      query                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      reconcile            = { timeout = 60, memory = 512, reserved = null, provisioned = null }
      reconcile-members    = { timeout = 60, memory = 512, reserved = null, provisioned = null }
      relay_message        = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      report               = { timeout = 30, memory = 512, reserved = null, provisioned = null }
      publish_frame        = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      send_message         = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      settle               = { timeout = 20, memory = 512, reserved = null, provisioned = null }
      subscribe            = { timeout = 10, memory = 512, reserved = null, provisioned = null }
      swarm                = { timeout = 20, memory = 512, reserved = null, provisioned = null }
    }
  }

  assert {
    condition     = length(setintersection(keys(output.functions), ["publish", "session_api"])) == 0 && length(output.aliases) == 0
    error_message = "publish and session_api are the hub's alone."
  }
  assert {
    condition     = length(setintersection(keys(output.functions), ["beat", "report"])) == 2
    error_message = "beat and report speak to the hub."
  }
  assert {
    condition     = length(setintersection(keys(output.queues), ["beat", "report-failure"])) == 2
    error_message = "beat has ticks, and report a queue of failures."
  }
}
