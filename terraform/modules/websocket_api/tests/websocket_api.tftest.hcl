mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan

  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = { id = "auth01" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:access" }
  }
}

variables {
  prefix               = "loudhailer-test"
  permissions_boundary = null
  log_retention_days   = 30
  throttle             = { rate = 2000, burst = 2500, crowd_burst = 1000 }
  authorizer           = { function_name = "authorizer", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/authorizer" }
  routes = {
    "$connect" = { alias = { function_name = "connect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/connect" } }
    "$default" = {
      alias = { function_name = "default_route", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/default" }
      reply = true
    }
    joinroom = { alias = { function_name = "join_room", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/join" } }
  }
  queue_routes = {
    "$disconnect" = { queue_name = "loudhailer-test-disconnect", queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-disconnect"] }
    SiloSQS = {
      queue_name = "loudhailer-test-silo-{tenantId}.fifo"
      queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-silo-gold.fifo"]
    }
    PooledSQS = { queue_name = "loudhailer-test-pooled.fifo", queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-pooled.fifo"] }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Clients are authorised when they connect.
  assert {
    condition = aws_apigatewayv2_authorizer.this.identity_sources == toset([
      "route.request.querystring.tenantId", "route.request.querystring.sessionId",
    ])
    error_message = "Both ids must be identity sources: API Gateway then answers 401 when one is missing."
  }
  assert {
    condition     = { for key, route in aws_apigatewayv2_route.this : key => route.authorization_type if route.authorization_type != "NONE" } == { "$connect" = "CUSTOM" }
    error_message = "$connect must be authorised, and only $connect can be."
  }

  # Only the default route replies.
  assert {
    condition     = keys(aws_apigatewayv2_route_response.this) == ["$default"]
    error_message = "A route response must exist for the routes that reply, and no others."
  }
  assert {
    condition     = aws_apigatewayv2_route.this["$default"].route_response_selection_expression == "$default"
    error_message = "A route that replies must select its response."
  }

  # Pings are answered without a function.
  assert {
    condition     = aws_apigatewayv2_integration.ping.integration_type == "MOCK" && jsondecode(aws_apigatewayv2_integration.ping.request_templates["$default"]).statusCode == 200
    error_message = "API Gateway must answer pings itself, and takes the status from the template."
  }
  assert {
    condition     = aws_apigatewayv2_integration_response.ping.response_templates["$default"] == "{\"action\":\"pong\"}" && aws_apigatewayv2_integration_response.ping.integration_response_key == "$default"
    error_message = "The answer must be the pong that clients wait for."
  }
  assert {
    condition     = aws_apigatewayv2_route.ping.route_response_selection_expression == "$default" && aws_apigatewayv2_route_response.ping.route_response_key == "$default"
    error_message = "Without a route response the client gets no answer."
  }

  # An account has one role for the logs of all its APIs.
  assert {
    condition     = length(aws_api_gateway_account.this) == 1 && length(aws_iam_role.logs) == 1 && length(aws_iam_role_policy_attachment.logs) == 1
    error_message = "The module must set the role by default."
  }

  # Each function may be invoked by its own route only.
  assert {
    condition = { for key, permission in aws_lambda_permission.this : key => permission.source_arn } == {
      authorizer = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/authorizers/auth01"
      "$connect" = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/$connect"
      "$default" = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/$default"
      joinroom   = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/joinroom"
    }
    error_message = "A permission must name its route exactly."
  }
  assert {
    condition     = alltrue([for permission in aws_lambda_permission.this : permission.qualifier == "live"])
    error_message = "The alias must be invoked, not the function."
  }

  # The access log keeps no secret.
  assert {
    condition = !anytrue([
      for field in values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)) :
      can(regex("(?i)session|query|path", field))
    ])
    error_message = "The query string holds the session's id, which is a secret."
  }

  # The routes of frames share the throttle.
  assert {
    condition = (
      aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 500
      && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 625
    )
    error_message = "$default, joinroom, SiloSQS and PooledSQS must each get a quarter of the throttle."
  }
  assert {
    condition = {
      for route in aws_apigatewayv2_stage.this.route_settings :
      route.route_key => [route.throttling_rate_limit, route.throttling_burst_limit]
    } == { "$connect" = [2000, 1000], "$disconnect" = [2000, 1000], ping = [2000, 1000] }
    error_message = "The number of other routes must not slow down what a whole crowd does, and none of these may have a throttle of its own."
  }

  # URLs in AWS belong to the API.
  assert {
    condition     = output.url == "wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
    error_message = "Clients must connect to the API's endpoint and stage."
  }
  assert {
    condition     = output.callback_endpoint == "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
    error_message = "Posts must go to the same host over HTTPS."
  }
  assert {
    condition     = output.look_up_arn == "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/GET/@connections/*"
    error_message = "Looking up must be allowed on the stage's connections, and by that method alone."
  }

  assert {
    condition     = output.post_arn == "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/POST/@connections/*"
    error_message = "Posting must be allowed on this API's connections, and on nothing else."
  }

  # The end of a connection is queued directly without an answer.
  assert {
    condition     = aws_apigatewayv2_integration.queue["$disconnect"].integration_uri == "arn:aws:apigateway:us-east-1:sqs:path/111111111111/loudhailer-test-disconnect"
    error_message = "No function may be in between: a crowd that ends together would use its concurrency."
  }
  assert {
    condition     = aws_apigatewayv2_integration.queue["$disconnect"].request_templates["$default"] == local.disconnect
    error_message = "The message must be the key of the connection."
  }
  assert {
    condition     = aws_apigatewayv2_route.queue["$disconnect"].route_response_selection_expression == null
    error_message = "Nobody is there to be answered."
  }

  # Each queue route has a role that may only send to its queues.
  assert {
    condition = { for key, policy in aws_iam_role_policy.sender : key => jsonencode(jsondecode(policy.policy).Statement) } == {
      for key, route in var.queue_routes :
      key => jsonencode([{ Sid = "Send", Effect = "Allow", Action = ["sqs:SendMessage"], Resource = route.queue_arns }])
    }
    error_message = "A role must be allowed to send to the queues of its route, and nothing else."
  }
  assert {
    condition = alltrue([
      for role in aws_iam_role.sender : jsondecode(role.assume_role_policy).Statement[0].Principal == { Service = "apigateway.amazonaws.com" }
    ])
    error_message = "Only API Gateway may take the role."
  }

  # A frame is queued directly in the queue of its tenant.
  assert {
    condition = { for key, integration in aws_apigatewayv2_integration.queue : key => integration.integration_uri if key != "$disconnect" } == {
      SiloSQS   = "arn:aws:apigateway:us-east-1:sqs:path/111111111111/loudhailer-test-silo-{tenantId}.fifo"
      PooledSQS = "arn:aws:apigateway:us-east-1:sqs:path/111111111111/loudhailer-test-pooled.fifo"
    }
    error_message = "A route must lead to its queue."
  }
  assert {
    condition = { for key, integration in aws_apigatewayv2_integration.queue : key => lookup(integration.request_parameters, "integration.request.path.tenantId", "") } == {
      "$disconnect" = ""
      SiloSQS       = "context.authorizer.tenantId"
      PooledSQS     = ""
    }
    error_message = "The silo must be that of the tenant that the authorizer has admitted."
  }
  assert {
    condition = alltrue([
      for integration in aws_apigatewayv2_integration.queue :
      integration.integration_type == "AWS" && integration.passthrough_behavior == "NEVER"
      && integration.credentials_arn == "arn:aws:iam::111111111111:role/mock"
      && integration.request_parameters["integration.request.header.Content-Type"] == "'application/x-www-form-urlencoded'"
      && integration.template_selection_expression == "\\$default"
    ])
    error_message = "A client's input must reach SQS through the template only, with the role that may send."
  }

  # The template is one line and encodes every value.
  assert {
    condition     = !strcontains(local.send_message, "\n") && startswith(local.send_message, "Action=SendMessage")
    error_message = "A line break would become a part of a parameter."
  }
  assert {
    condition     = toset([for value in regexall("=(\\$[^&#]*)", local.send_message) : startswith(value[0], "$util.urlEncode(")]) == toset([true])
    error_message = "A value that is not encoded can bring parameters along."
  }
  assert {
    condition = sort([for name in regexall("MessageAttribute\\.[0-9]+\\.Name=([A-Za-z]+)", local.send_message) : name[0]]) == sort([
      "tenantId", "sessionId", "connectionId", "requestId", "sessionPerMinute", "tenantPerMinute", "connectionsPerSession",
      "sessionTTL", "tenantConnections", "messagesPerMinute",
    ])
    error_message = "SQS takes ten attributes, and these are the ten."
  }

  # Only a failed send is answered.
  assert {
    condition = alltrue([
      for key, response in aws_apigatewayv2_integration_response.queue : key == "$disconnect" ? true :
      response.integration_response_key == "$default" && response.template_selection_expression == "$integration.response.statuscode"
      && response.response_templates["200"] == "## queued"
    ])
    error_message = "A message that is queued must be answered with nothing."
  }
  assert {
    condition = alltrue([
      for key, response in aws_apigatewayv2_integration_response.queue : key == "$disconnect" ? true : jsondecode(response.response_templates["$default"]).error.code == "NOT_QUEUED"
    ])
    error_message = "A message that is not queued must be answered with an error frame."
  }
  assert {
    condition     = toset(keys(aws_apigatewayv2_route_response.queue)) == toset(["SiloSQS", "PooledSQS"])
    error_message = "Both routes must be able to answer."
  }
}

run "a_function_behind_pings_is_refused" {
  command = plan

  variables {
    routes = merge(var.routes, { ping = { alias = { function_name = "f", name = "live", invoke_arn = "arn" } } })
  }

  expect_failures = [var.routes]
}

run "a_queue_behind_pings_is_refused" {
  command = plan

  variables {
    queue_routes = merge(var.queue_routes, { ping = { queue_name = "loudhailer-test-ping.fifo", queue_arns = [] } })
  }

  expect_failures = [var.queue_routes]
}

run "a_second_api_of_the_account_does_not_change_its_role" {
  command = plan

  variables {
    api_gateway_account = false
  }

  assert {
    condition     = length(aws_api_gateway_account.this) == 0 && length(aws_iam_role.logs) == 0 && length(aws_iam_role_policy_attachment.logs) == 0
    error_message = "Two modules would take the account's one setting from each other."
  }
}

run "a_route_accepts_at_least_one_frame_a_second" {
  command = plan

  variables {
    throttle = { rate = 0.2, burst = 0.2, crowd_burst = 0.2 }
  }

  assert {
    condition = (
      aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 1
      && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 1
    )
    error_message = "A throttle of zero would refuse everything."
  }
}

run "local_urls_belong_to_the_stand_in" {
  command = plan

  variables {
    gateway_endpoint = "http://127.0.0.1:8001"
  }

  assert {
    condition     = output.url == "ws://127.0.0.1:8001/a1b2c3d4e5/live" && output.callback_endpoint == "http://127.0.0.1:8001/a1b2c3d4e5/live"
    error_message = "Both URLs must lead to the stand-in."
  }
}

run "a_role_without_a_silo_has_no_permissions" {
  command = plan

  variables {
    queue_routes = {
      "$disconnect" = { queue_name = "loudhailer-test-disconnect", queue_arns = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-disconnect"] }
      SiloSQS       = { queue_name = "loudhailer-test-silo-{tenantId}.fifo", queue_arns = [] }
    }
  }

  assert {
    condition     = keys(aws_iam_role_policy.sender) == ["$disconnect"] && keys(aws_iam_role.sender) == ["$disconnect", "SiloSQS"]
    error_message = "IAM would refuse a statement without a resource."
  }
}

run "a_function_behind_disconnect_is_refused" {
  command = plan

  variables {
    routes = {
      "$connect"    = { alias = { function_name = "connect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/connect" } }
      "$default"    = { alias = { function_name = "default_route", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/default" } }
      "$disconnect" = { alias = { function_name = "disconnect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/disconnect" } }
    }
  }

  expect_failures = [var.routes]
}

run "an_endpoint_with_a_path_and_a_throttle_of_zero_are_refused" {
  command = plan

  variables {
    gateway_endpoint = "http://127.0.0.1:8001/live"
    throttle         = { rate = 0, burst = 0, crowd_burst = 0 }
  }

  expect_failures = [var.gateway_endpoint, var.throttle]
}

run "a_queue_that_is_not_fifo_and_a_route_that_exists_are_refused" {
  command = plan

  variables {
    queue_routes = {
      "$disconnect" = { queue_name = "loudhailer-test-disconnect", queue_arns = [] }
      joinroom      = { queue_name = "loudhailer-test-pooled.fifo", queue_arns = [] }
      PooledSQS     = { queue_name = "loudhailer-test-pooled", queue_arns = [] }
    }
  }

  expect_failures = [var.queue_routes]
}

run "a_disconnect_route_without_a_queue_is_refused" {
  command = plan

  variables {
    queue_routes = {}
  }

  expect_failures = [var.queue_routes]
}

run "a_reply_of_connect_and_a_stage_with_a_slash_are_refused" {
  command = plan

  variables {
    stage  = "live/1"
    routes = merge(var.routes, { "$connect" = merge(var.routes["$connect"], { reply = true }) })
  }

  expect_failures = [var.stage, var.routes]
}

run "a_role_with_a_long_name_is_refused" {
  command = plan

  variables {
    queue_routes = merge(var.queue_routes, { (join("", [for n in range(64) : "a"])) = { queue_name = "loudhailer-test-a.fifo", queue_arns = [] } })
  }

  expect_failures = [var.queue_routes]
}

run "a_frames_queue_that_is_not_fifo_is_refused" {
  command = plan

  variables {
    queue_routes = merge(var.queue_routes, { PooledSQS = { queue_name = "loudhailer-test-pooled", queue_arns = [] } })
  }

  expect_failures = [var.queue_routes]
}

run "routes_without_a_default_are_refused" {
  command = plan

  variables {
    routes = { "$connect" = var.routes["$connect"] }
  }

  expect_failures = [var.routes]
}
