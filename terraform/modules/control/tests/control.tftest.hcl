mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5"
    }
  }
}

variables {
  deployment    = jsondecode(file("../../testing/values.json")).deployment
  package       = jsondecode(file("../../testing/values.json")).package
  functions     = { console = { timeout = 10, memory = 512, reserved = null, provisioned = null } }
  websocket_url = "wss://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live"
  auth          = { broadcast = "iam", session = "iam" }
  list_tenants  = false

  connects_per_second = 500

  console = { enabled = false }
  aliases = {
    publish     = { function_name = "loudhailer-test-publish", name = "live", arn = "arn:aws:lambda:us-east-1:111111111111:function:loudhailer-test-publish:live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/publish" }
    session_api = { function_name = "loudhailer-test-session_api", name = "live", arn = "arn:aws:lambda:us-east-1:111111111111:function:loudhailer-test-session_api:live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session_api" }
  }
}

run "the_page_does_not_exist_by_default" {
  command = plan

  assert {
    condition     = length(output.functions) == 0 && !contains(keys(local.routes), "GET /")
    error_message = "Without console.enabled there must be neither the function nor its routes."
  }
}

run "a_crowd_may_ask_for_its_sessions_more_often_than_it_may_connect" {
  command = plan

  assert {
    condition     = local.routes["PUT /session"].throttle == { rate = 2000, burst = 2000 }
    error_message = "PUT /session must take four times the rate at which clients are let in."
  }
}

run "a_higher_throttle_of_all_routes_holds_for_sessions_too" {
  command = plan

  variables {
    http_api = { throttle = { rate = 3000, burst = 1000 } }
  }

  assert {
    condition     = local.routes["PUT /session"].throttle == { rate = 3000, burst = 2000 }
    error_message = "The throttle of PUT /session must be no less than that of the other routes."
  }
}

run "sessions_have_the_throttle_of_all_routes_without_admission" {
  command = plan

  variables {
    connects_per_second = 0
  }

  assert {
    condition     = local.routes["PUT /session"].throttle == null
    error_message = "The throttle of all routes must hold if no client waits."
  }
}

run "only_the_page_is_public" {
  command = plan

  variables {
    console = { enabled = true }
  }

  assert {
    condition     = output.functions.console == "loudhailer-test-console"
    error_message = "With console.enabled there must be the function."
  }
  assert {
    condition = toset([for key, route in local.routes : key if route.auth == "public"]) == toset([
      "GET /", "GET /assets/{version}/{file}", "GET /qr.svg",
    ])
    error_message = "The page must be for everyone, and nothing else."
  }
}

run "a_token_needs_the_scope_to_broadcast" {
  command = plan

  variables {
    auth = { broadcast = "jwt", session = "jwt" }
    jwt = {
      issuer          = "https://issuer.example.com"
      audience        = ["loudhailer"]
      tenant_claim    = "custom:tenantId"
      broadcast_scope = "loudhailer/broadcast"
    }
  }

  assert {
    condition = { for key, route in local.routes : key => join(" ", route.scopes) if contains(keys(route), "scopes") } == {
      "POST /broadcast"     = "loudhailer/broadcast"
      "POST /broadcasts"    = "loudhailer/broadcast"
      "GET /broadcast/{id}" = "loudhailer/broadcast"
    }
    error_message = "The routes of broadcasts must ask for the scope."
  }
}

run "signed_requests_need_no_scope" {
  command = plan

  variables {
    auth = { broadcast = "iam", session = "jwt" }
    jwt = {
      issuer          = "https://issuer.example.com"
      audience        = ["loudhailer"]
      tenant_claim    = "tenant"
      broadcast_scope = "broadcast"
    }
  }

  assert {
    condition     = length(local.broadcast_scopes) == 0
    error_message = "Scopes are those of tokens."
  }
}

run "functions_with_waiting_clients_raise_an_alarm" {
  command = plan

  assert {
    condition = toset([for alarm in values(module.function_alarms.alarms) : alarm.function]) == toset([
      "loudhailer-test-publish", "loudhailer-test-session_api",
    ])
    error_message = "Publishers and tenants wait for publish and session_api: both must be watched."
  }
  assert {
    condition = local.server_errors == {
      namespace  = "AWS/ApiGateway"
      name       = "5xx"
      dimensions = { ApiId = "a1b2c3d4e5", Stage = "$default" }
      statistic  = "Sum"
    }
    error_message = "The HTTP API's own errors must be watched, which no function counts."
  }
}
