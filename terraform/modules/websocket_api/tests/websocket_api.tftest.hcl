mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5"
    }
  }

  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = { id = "auth01" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:access" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/logs" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  prefix     = "loudhailer-test"
  throttle   = { rate = 2000, burst = 1000 }
  authorizer = { function_name = "authorizer", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/authorizer" }
  routes = {
    "$connect"    = { alias = { function_name = "connect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/connect" } }
    "$disconnect" = { alias = { function_name = "disconnect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/disconnect" } }
    "$default" = {
      alias = { function_name = "default_route", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/default" }
      reply = true
    }
    joinroom = { alias = { function_name = "join_room", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/join" } }
  }
}

run "clients_are_authorised_when_they_connect" {
  command = plan

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
}

run "only_the_default_route_replies" {
  command = plan

  assert {
    condition     = keys(aws_apigatewayv2_route_response.this) == ["$default"]
    error_message = "A route response must exist for the routes that reply, and no others."
  }
  assert {
    condition     = aws_apigatewayv2_route.this["$default"].route_response_selection_expression == "$default"
    error_message = "A route that replies must select its response."
  }
}

run "each_function_may_be_invoked_by_its_own_route_only" {
  command = plan

  assert {
    condition = { for key, permission in aws_lambda_permission.this : key => permission.source_arn } == {
      authorizer    = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/authorizers/auth01"
      "$connect"    = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/$connect"
      "$disconnect" = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/$disconnect"
      "$default"    = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/$default"
      joinroom      = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/joinroom"
    }
    error_message = "A permission must name its route exactly."
  }
  assert {
    condition     = alltrue([for permission in aws_lambda_permission.this : permission.qualifier == "live"])
    error_message = "The alias must be invoked, not the function."
  }
}

run "the_access_log_keeps_no_secret" {
  command = plan

  assert {
    condition = !anytrue([
      for field in values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)) :
      can(regex("(?i)session|query|path", field))
    ])
    error_message = "The query string holds the session's id, which is a secret."
  }
}

run "the_stage_throttles_every_route" {
  command = plan

  assert {
    condition = (
      aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 2000
      && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 1000
    )
    error_message = "The stage must have the throttle."
  }
}

run "in_aws_the_urls_are_the_apis_own" {
  command = plan

  assert {
    condition     = output.websocket_url == "wss://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
    error_message = "Clients must connect to the API's endpoint and stage."
  }
  assert {
    condition     = output.callback_endpoint == "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com/live"
    error_message = "Posts must go to the same host over HTTPS."
  }
  assert {
    condition     = output.post_arn == "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/live/POST/@connections/*"
    error_message = "Posting must be allowed on this API's connections, and on nothing else."
  }
}

run "locally_the_urls_are_the_stand_ins" {
  command = plan

  variables {
    gateway_endpoint = "http://127.0.0.1:8001"
  }

  assert {
    condition     = output.websocket_url == "ws://127.0.0.1:8001/a1b2c3d4e5/live" && output.callback_endpoint == "http://127.0.0.1:8001/a1b2c3d4e5/live"
    error_message = "Both URLs must lead to the stand-in."
  }
}

run "an_api_without_disconnect_is_refused" {
  command = plan

  variables {
    routes = {
      "$connect" = { alias = { function_name = "connect", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/connect" } }
      "$default" = { alias = { function_name = "default_route", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/default" } }
    }
  }

  expect_failures = [var.routes]
}

run "an_endpoint_with_a_path_and_a_throttle_of_zero_are_refused" {
  command = plan

  variables {
    gateway_endpoint = "http://127.0.0.1:8001/live"
    throttle         = { rate = 0, burst = 0 }
  }

  expect_failures = [var.gateway_endpoint, var.throttle]
}
