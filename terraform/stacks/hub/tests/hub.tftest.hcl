mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  environment     = "dev"
  account_id      = "111111111111"
  region          = "us-east-1"
  alarm_topic_arn = "arn:aws:sns:us-east-1:111111111111:alarms"
  package = {
    image = {
      repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }
}

# In a Region with a small quota, with functions that are kept warm: one plan shows all of it.
run "the_hub_of_an_account_is_complete" {
  command = plan

  variables {
    region = "eu-south-1"
    package = {
      image = {
        repository_url = "222222222222.dkr.ecr.eu-south-1.amazonaws.com/loudhailer"
        digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      }
    }
    warm      = true
    functions = { publish = { provisioned = 3 } }

    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [1] } }
  }

  assert {
    condition = toset(keys(output.functions)) == toset([
      "accounting", "accounting-members", "authorizer", "connect", "default_route", "disconnect", "echo", "end_session",
      "join_room", "leave_channels", "post_message", "post_message-express", "post_message-rooms", "presence", "publish",
      "publish_frame", "query", "reconcile", "reconcile-members", "relay_message", "send_message", "session_api", "settle", "subscribe",
      "swarm",
    ])
    error_message = "The hub must have every function."
  }
  assert {
    condition     = output.tables.connections == "loudhailer-dev-connections"
    error_message = "Names must begin with loudhailer-<environment>."
  }
  assert {
    condition = output.message_lifetime_seconds == 300 && alltrue([
      for name in ["connect", "default_route", "echo", "join_room", "send_message", "session_api"] : output.timeouts[name] > 0
    ])
    error_message = "The operator's commands must know how long functions and broadcasts may be at work."
  }
  assert {
    condition     = length(output.subscribers) == 1 && output.subscribers.blue.account_id == "222222222222"
    error_message = "The stack of each subscriber must find its part by its name."
  }
  assert {
    condition     = output.operator_role_arn == null && output.auth == { broadcast = "iam", session = "iam" }
    error_message = "Without operators there is no role of theirs, and commands must know how routes are called."
  }
  assert {
    condition     = length(output.cells) == 0 && length(setintersection(keys(output.tables), ["cells", "placements"])) == 0
    error_message = "The hub alone is what it was."
  }
  assert {
    condition = { for name, function in local.functions : name => function.provisioned if function.provisioned != null } == {
      post_message         = 1
      post_message-express = 1
      publish              = 3
      query                = 1
      settle               = 1
      swarm                = 1
    }
    error_message = "A number in functions must take precedence; nothing else is kept warm."
  }
  assert {
    condition     = local.quota == { posts_per_second = 2500, burst = 1250, headroom = 0.98, rooms = 0.1, express = 0.05 }
    error_message = "Lanes that post four times what the account may would be answered 429."
  }
}

# `make infrastructure` plans this run, and lets checkov judge every policy in it.
run "the_stack_with_all_its_roles" {
  command = plan

  variables {
    console     = { enabled = true }
    operators   = ["arn:aws:iam::111111111111:role/on-call"]
    subscribers = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [1] } }
    cells = {
      north = { account_id = "444444444444", external_id = "north-1", region = "eu-west-1" }
      south = { account_id = "666666666666", external_id = "south-1", region = "us-east-1", weight = 2, connects_per_second = 250 }
    }
  }

  assert {
    condition     = contains(keys(output.functions), "console") && length(output.subscribers) == 1
    error_message = "Optional parts must exist too, with their roles."
  }
  assert {
    condition     = !strcontains(jsonencode(local.description), "north-1") && local.description.cells.north == { account_id = "444444444444", region = "eu-west-1" }
    error_message = "The description must name the cells, and no external id."
  }
  assert {
    condition     = join(" ", [for name, cell in output.cells : "${name}:${cell.account_id}:${cell.region}:${cell.role.external_id}"]) == "north:444444444444:eu-west-1:north-1 south:666666666666:us-east-1:south-1"
    error_message = "Each cell has its account, Region and external id."
  }
  assert {
    condition     = module.control.session_throttle == { rate = 5000, burst = 5000 }
    error_message = "PUT /session must take four times the rate of the hub's own cell and both others, one of which has its own."
  }
  assert {
    condition     = jsonencode(output.cells.north.weights) == jsonencode({ hub = 1, north = 1, south = 2 })
    error_message = "Each cell knows the weights of all."
  }
}

run "the_local_hub_runs_a_zip_and_has_local_urls" {
  command = plan

  variables {
    environment         = "local"
    deletion_protection = false
    package             = { zip = { path = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
    auth                = { broadcast = "none", session = "none" }
    console             = { enabled = true }
    aws_endpoint        = "http://127.0.0.1:4566"
    gateway_endpoint    = "http://127.0.0.1:8001"
  }

  assert {
    condition     = output.http_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5"
    error_message = "The HTTP API must be reached through the local AWS."
  }
  assert {
    condition     = contains(keys(output.functions), "console")
    error_message = "The local hub must have the page."
  }
  assert {
    condition     = output.websocket_url == "ws://127.0.0.1:8001/a1b2c3d4e5/live"
    error_message = "The WebSocket API must be reached through the stand-in."
  }
}

run "local_settings_outside_local_and_an_account_id_with_11_digits_are_refused" {
  command = plan

  variables {
    account_id       = "11111111111"
    operators        = ["*"]
    region           = "Frankfurt"
    aws_endpoint     = "http://127.0.0.1:4566"
    gateway_endpoint = "http://127.0.0.1:8001"
  }

  expect_failures = [var.account_id, var.operators, var.region, var.aws_endpoint, var.gateway_endpoint]
}

run "functions_and_quotas_differ_from_the_defaults_only_as_declared" {
  command = plan

  variables {
    region = "eu-south-1"
    quota  = { posts_per_second = 20000, burst = 5000 }
    package = {
      image = {
        repository_url = "222222222222.dkr.ecr.eu-south-1.amazonaws.com/loudhailer"
        digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      }
    }
    functions = { query = { memory = 1024 }, connect = { reserved = 100 }, authorizer = { reserved = 100, provisioned = 50 } }
  }

  assert {
    condition = (
      local.functions.query == { timeout = 20, memory = 1024, reserved = null, provisioned = null }
      && local.functions.authorizer == { timeout = 10, memory = 512, reserved = 100, provisioned = 50 }
      && local.functions.post_message == { timeout = 10, memory = 1769, reserved = null, provisioned = null }
    )
    error_message = "Unset settings must have their defaults."
  }
  assert {
    condition     = toset(keys(output.functions)) == setsubtract(keys(local.functions), ["console", "forward_message"])
    error_message = "Every function must be in the table of functions, and none besides."
  }
  assert {
    condition     = local.quota.posts_per_second == 20000 && local.quota.burst == 5000
    error_message = "The account's own quota comes before its Region's."
  }
}

# A plan of the hub takes seconds. So each of these runs has wrong values for several variables, and each variable must
# refuse its own. A comment says why a value is wrong.

run "unknown_functions_values_below_their_bounds_and_nameless_claims_are_refused" {
  command = plan

  variables {
    functions     = { post-message = { reserved = 16 } }                                                     # no such function
    cells         = { hub = { account_id = "444444444444", external_id = "north-1", region = "us-east-1" } } # the hub's own name
    session_share = 0
    quota         = { rooms = 0 }
    placement     = { beat_seconds = 10 } # the lease ends with one late beat
    auth          = { broadcast = "jwt", session = "jwt" }
    jwt = {
      issuer          = "https://issuer.example.com"
      audience        = ["loudhailer"]
      tenant_claim    = ""
      broadcast_scope = "loudhailer/broadcast"
    }
  }

  expect_failures = [var.functions, var.cells, var.session_share, var.quota, var.placement, var.jwt]
}

run "a_connect_without_time_values_above_their_bounds_and_two_cells_in_one_account_are_refused" {
  command = plan

  variables {
    functions     = { connect = { timeout = 27 } } # its slowest calls take longer
    session_share = 1.01
    quota         = { rooms = 0.51 }
    cells = {
      north = { account_id = "444444444444", external_id = "north-1", region = "us-east-1" }
      south = { account_id = "444444444444", external_id = "south-1", region = "us-east-1" }
    }
  }

  expect_failures = [var.functions, var.session_share, var.quota, var.cells]
}

run "more_reserved_concurrency_than_the_account_has_and_a_cell_in_a_subscribers_account_are_refused" {
  command = plan

  variables {
    lambda_concurrency = 300
    functions          = { authorizer = { reserved = 100 }, connect = { reserved = 101 } }
    subscribers        = { blue = { account_id = "222222222222", external_id = "blue-1", shards = [0] } }
    cells              = { north = { account_id = "222222222222", external_id = "north-1", region = "us-east-1" } }
  }

  expect_failures = [var.functions, var.cells]
}

run "more_reserved_for_the_echo_of_all_silos_and_cells_without_any_weight_are_refused" {
  command = plan

  variables {
    lambda_concurrency = 300
    messaging          = { silo_tenants = ["gold", "silver"] }
    functions          = { echo = { reserved = 70 } }
    hub_cell           = { weight = 0 }
    cells              = { north = { account_id = "444444444444", external_id = "north-1", region = "us-east-1", weight = 0 } }
  }

  expect_failures = [var.functions, var.cells]
}

run "few_workers_for_handshakes_malformed_accounts_and_values_of_zero_are_refused" {
  command = plan

  variables {
    functions = { authorizer = { reserved = 99 }, connect = { reserved = 99 } } # of 500 connects a second
    cells     = { north = { account_id = "44444444444", external_id = "north-1", region = "us-east-1" } }
    placement = { home_connections = 0 }
    quota     = { posts_per_second = 0 }
    auth      = { broadcast = "jwt", session = "jwt" }
    jwt = {
      issuer          = "https://issuer.example.com"
      audience        = ["loudhailer"]
      tenant_claim    = "tenantId"
      broadcast_scope = "broadcast admin"
    }
  }

  expect_failures = [var.functions, var.cells, var.placement, var.quota, var.jwt]
}

run "an_external_id_of_one_character_and_further_values_of_zero_are_refused" {
  command = plan

  variables {
    lambda_concurrency = 9
    cells              = { north = { account_id = "444444444444", external_id = "n", region = "us-east-1" } }
    placement          = { beat_seconds = 0 }
    quota              = { headroom = 0 }
  }

  expect_failures = [var.lambda_concurrency, var.cells, var.placement, var.quota]
}

run "a_weight_of_the_hubs_cell_above_a_million_is_refused" {
  command = plan

  variables {
    hub_cell = { weight = 1000001 }
  }

  expect_failures = [var.hub_cell]
}

run "a_cell_in_no_region_and_no_share_for_small_broadcasts_are_refused" {
  command = plan

  variables {
    cells = { north = { account_id = "444444444444", external_id = "north-1", region = "Frankfurt" } }
    quota = { express = 0 }
  }

  expect_failures = [var.cells, var.quota]
}

run "a_weight_above_a_million_and_a_negative_rate_of_connects_are_refused" {
  command = plan

  variables {
    connects = { per_second = -1 }
    cells    = { north = { account_id = "444444444444", external_id = "north-1", region = "us-east-1", weight = 1000001 } }
  }

  expect_failures = [var.connects, var.cells]
}

run "a_negative_rate_of_connects_of_a_cell_is_refused" {
  command = plan

  variables {
    cells = { north = { account_id = "444444444444", external_id = "north-1", region = "us-east-1", connects_per_second = -1 } }
  }

  expect_failures = [var.cells]
}

run "a_map_of_cells_that_no_function_can_hold_and_a_reserve_of_more_than_half_are_refused" {
  command = plan

  variables {
    connects = { reserve = 0.51 }
    cells = {
      for n in range(10, 40) : "cell-${n}" => { account_id = "4444444444${n}", external_id = "external-id-${n}", region = "us-east-1" }
    }
  }

  expect_failures = [var.connects, var.cells]
}

run "variables_of_earlier_releases_unknown_settings_and_accounts_out_of_place_are_refused" {
  command = plan

  variables {
    architecture             = "arm64"
    log_level                = "INFO"
    log_retention_days       = 30
    tracing                  = true
    shards                   = { count = 8 }
    chunk_size               = 500
    broadcast_keys           = 16
    query_concurrency        = 8
    message_lifetime_seconds = 300
    partitions               = { max_partitions = 10 }
    accounting_window        = 1
    silo_tenants             = ["gold"]
    inbox_lifetime_seconds   = 604800
    messages_per_inbox       = 1000
    cors_origins             = ["*"]
    http_throttle            = { rate = 500 }
    timeouts                 = { query = 20 }
    memory                   = { query = 512 }
    reserved_concurrency     = { connect = 100 }
    provisioned_concurrency  = { connect = 50 }

    broadcast   = { chunks = 500 }
    connections = { partitions = 2500 }
    messaging   = { silos = ["gold"] }
    http_api    = { origins = ["*"] }
    deployment  = { retention = 30 }

    permissions_boundary = "arn:aws:iam::222222222222:policy/ci/loudhailer-dev-boundary"
    subscribers          = { blue = { account_id = "111111111111", external_id = "blue-1", shards = [1] } }
  }

  expect_failures = [
    var.architecture, var.log_level, var.log_retention_days, var.tracing, var.shards, var.chunk_size, var.broadcast_keys, var.query_concurrency, var.message_lifetime_seconds, var.partitions, var.accounting_window, var.silo_tenants, var.inbox_lifetime_seconds, var.messages_per_inbox, var.cors_origins, var.http_throttle, var.timeouts, var.memory, var.reserved_concurrency, var.provisioned_concurrency,
    var.broadcast, var.connections, var.messaging, var.http_api, var.deployment,
    var.permissions_boundary, var.subscribers,
  ]
}
