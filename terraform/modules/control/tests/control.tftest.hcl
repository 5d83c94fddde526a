mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:mock" }
  }

  mock_resource "aws_iam_role" {
    defaults = { arn = "arn:aws:iam::111111111111:role/mock" }
  }

  mock_resource "aws_lambda_alias" {
    defaults = {
      arn        = "arn:aws:lambda:us-east-1:111111111111:function:mock:live"
      invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/mock"
    }
  }
}

variables {
  deployment    = { prefix = "loudhailer-test", environment = "test" }
  topic_arn     = "arn:aws:sns:us-east-1:111111111111:loudhailer-test-broadcast"
  websocket_url = "wss://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live"
  tables = {
    tenants    = { name = "tenants", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/tenants" }
    sessions   = { name = "sessions", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/sessions" }
    places     = { name = "places", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/places" }
    broadcasts = { name = "broadcasts", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts" }
  }
  package = {
    image = {
      repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }
}

run "only_publish_may_publish_and_only_on_the_topic" {
  command = plan

  assert {
    condition = flatten([
      for statement in module.publish.role.policy.Statement : statement.Resource if contains(statement.Action, "sns:Publish")
    ]) == [var.topic_arn]
    error_message = "publish may publish on the topic of broadcasts only."
  }
  assert {
    condition     = !strcontains(jsonencode(module.session_api.role.policy), "sns:")
    error_message = "session_api must not be allowed to publish."
  }
}

run "session_api_reads_reports_and_writes_none" {
  command = plan

  assert {
    condition = toset(flatten([
      for statement in module.session_api.role.policy.Statement : statement.Action if contains(statement.Resource, var.tables.broadcasts.arn)
    ])) == toset(["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:Query"])
    error_message = "session_api must read the table of broadcasts, and not write it."
  }
}

run "a_sessions_id_must_be_a_secret" {
  command = plan

  assert {
    condition     = local.shortest_session_id == 22
    error_message = "Outside the environment local, session ids that can be guessed must be refused."
  }
}

run "a_local_sessions_id_may_be_short" {
  command = plan

  variables {
    deployment = { prefix = "loudhailer-test", environment = "local" }
  }

  assert {
    condition     = local.shortest_session_id == 1
    error_message = "Whoever tries things out may call sessions what they like."
  }
}

run "sessions_are_spread_unless_the_former_release_runs" {
  command = plan

  assert {
    condition     = local.spread_sessions
    error_message = "New sessions must be spread over keys."
  }
}

run "the_former_release_finds_new_sessions_while_it_runs" {
  command = plan

  variables {
    former_release = true
  }

  assert {
    condition     = !local.spread_sessions
    error_message = "New sessions must have the keys that the former release knows."
  }
}

run "tenants_cannot_be_listed_by_default" {
  command = plan

  assert {
    condition     = !strcontains(jsonencode(module.session_api.role.policy), "dynamodb:Scan")
    error_message = "Without list_tenants, session_api must not be allowed to scan the tenants."
  }
}

run "for_a_demonstration_tenants_can_be_listed" {
  command = plan

  variables {
    list_tenants = true
    silo_tenants = ["gold"]
  }

  assert {
    condition     = strcontains(jsonencode(module.session_api.role.policy), "dynamodb:Scan")
    error_message = "With list_tenants, session_api must be allowed to scan the tenants."
  }

  assert {
    condition     = jsonencode(local.listed_silos) == jsonencode(["gold"])
    error_message = "With list_tenants, session_api must know whose silos there are."
  }
}

run "there_is_no_page_by_default" {
  command = plan

  assert {
    condition     = length(module.console) == 0 && !contains(keys(output.functions), "console") && length(local.console_routes) == 0
    error_message = "Without console.enabled there must be neither the function nor its routes."
  }
}

run "the_page_is_for_everyone_and_may_do_nothing" {
  command = plan

  variables {
    console = { enabled = true }
  }

  assert {
    condition     = output.functions.console == "loudhailer-test-console"
    error_message = "With console.enabled there must be the function."
  }
  assert {
    condition = flatten([for statement in module.console[0].role.policy.Statement : statement.Action]) == [
      "xray:PutTelemetryRecords", "xray:PutTraceSegments", "logs:CreateLogStream", "logs:PutLogEvents",
    ]
    error_message = "The page needs no rights: what it calls has its own functions."
  }
}

run "a_queue_for_a_topic_an_http_url_for_a_websocket_and_a_day_of_life_are_refused" {
  command = plan

  variables {
    topic_arn                = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-broadcast"
    websocket_url            = "https://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live"
    message_lifetime_seconds = 86400
    broadcast_keys           = 65
  }

  expect_failures = [var.topic_arn, var.websocket_url, var.message_lifetime_seconds, var.broadcast_keys]
}

run "a_token_opens_its_tenants_sessions_and_broadcasts_with_the_scope_alone" {
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
    condition     = local.tenant_claim == "custom:tenantId"
    error_message = "session_api must know the claim that names a token's tenant."
  }
  assert {
    condition = { for key, route in local.routes : key => join(" ", route.scopes) if contains(keys(route), "scopes") } == {
      "POST /broadcast"     = "loudhailer/broadcast"
      "GET /broadcast/{id}" = "loudhailer/broadcast"
    }
    error_message = "The routes of broadcasts must ask for the scope."
  }
}

run "signed_requests_need_no_scope" {
  command = plan

  variables {
    auth = { session = "jwt" }
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

run "a_claim_without_a_name_and_a_scope_with_a_space_are_refused" {
  command = plan

  variables {
    auth = { broadcast = "jwt", session = "jwt" }
    jwt = {
      issuer          = "https://issuer.example.com"
      audience        = ["loudhailer"]
      tenant_claim    = ""
      broadcast_scope = "broadcast admin"
    }
  }

  expect_failures = [var.jwt]
}
