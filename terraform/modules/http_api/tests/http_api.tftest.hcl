mock_provider "aws" {
  override_during = plan

  mock_resource "aws_apigatewayv2_api" {
    defaults = {
      id            = "a1b2c3d4e5"
      api_endpoint  = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      execution_arn = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5"
    }
  }

  mock_resource "aws_apigatewayv2_authorizer" {
    defaults = { id = "auth01" }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:access" }
  }
}

variables {
  deployment = { prefix = "loudhailer-test", environment = "test", log_retention_days = 30 }
  routes = {
    "POST /broadcast" = {
      alias = { function_name = "publish", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/publish" }
      auth  = "iam"
    }
    "GET /broadcast/{id}" = {
      alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
      auth  = "iam"
    }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # Routes are authorised by IAM.
  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "AWS_IAM"])
    error_message = "auth iam must become AWS_IAM."
  }

  # Every route is throttled.
  assert {
    condition = (
      aws_apigatewayv2_stage.this.default_route_settings[0].throttling_rate_limit == 500
      && aws_apigatewayv2_stage.this.default_route_settings[0].throttling_burst_limit == 500
    )
    error_message = "A route without a throttle of its own must have the stage's."
  }

  # Each function may be invoked by its own routes only.
  assert {
    condition = { for key, permission in aws_lambda_permission.this : key => permission.source_arn } == {
      "POST /broadcast"     = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/$default/POST/broadcast"
      "GET /broadcast/{id}" = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/$default/GET/broadcast/*"
    }
    error_message = "A permission must name stage, method and path."
  }

  # The access log keeps no secret.
  assert {
    condition = !anytrue([
      for field in values(jsondecode(aws_apigatewayv2_stage.this.access_log_settings[0].format)) :
      can(regex("(?i)session|query|path", field))
    ])
    error_message = "The query string holds the session's id, which is a secret."
  }

  # The URL in AWS belongs to the API.
  assert {
    condition     = output.http_url == "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
    error_message = "Paths must begin at the root of the API's endpoint."
  }
}

run "a_token_of_the_issuer_opens_a_jwt_route" {
  command = plan

  variables {
    jwt = { issuer = "https://issuer.example.com", audience = ["loudhailer"] }
    routes = {
      "PUT /session" = {
        alias    = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth     = "jwt"
        throttle = { rate = 50, burst = 100 }
      }
      "POST /broadcast" = {
        alias  = { function_name = "publish", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/publish" }
        auth   = "jwt"
        scopes = ["loudhailer/broadcast"]
      }
    }
  }

  assert {
    condition = (
      aws_apigatewayv2_route.this["PUT /session"].authorization_type == "JWT"
      && aws_apigatewayv2_route.this["PUT /session"].authorizer_id == "auth01"
    )
    error_message = "auth jwt must use the authorizer."
  }
  assert {
    condition = (
      aws_apigatewayv2_route.this["PUT /session"].authorization_scopes == null
      && aws_apigatewayv2_route.this["POST /broadcast"].authorization_scopes == toset(["loudhailer/broadcast"])
    )
    error_message = "A route must ask for its scopes, and for none if it has none."
  }
  assert {
    condition     = one(aws_apigatewayv2_stage.this.route_settings).throttling_rate_limit == 50
    error_message = "A route's own throttle must hold for it."
  }
}

run "local_routes_may_be_open_and_have_a_local_url" {
  command = plan

  variables {
    deployment   = { prefix = "loudhailer-test", environment = "local", log_retention_days = 30 }
    aws_endpoint = "http://127.0.0.1:4566"
    settings     = { cors_origins = ["*"] }
    routes = {
      "GET /tenant" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "none"
      }
    }
  }

  assert {
    condition     = output.http_url == "http://127.0.0.1:4566/_aws/execute-api/a1b2c3d4e5"
    error_message = "The URL must lead to the local AWS."
  }
  assert {
    condition     = aws_apigatewayv2_api.this.cors_configuration[0].allow_methods == toset(["GET"])
    error_message = "CORS must allow the routes' methods."
  }
}

run "an_open_route_is_refused_outside_local" {
  command = plan

  variables {
    routes = {
      "GET /tenant" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "none"
      }
    }
  }

  expect_failures = [var.routes]
}

run "an_unknown_kind_of_authorisation_is_refused" {
  command = plan

  variables {
    routes = {
      "GET /tenant" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "basic"
      }
    }
  }

  expect_failures = [var.routes]
}

run "jwt_without_an_issuer_is_refused" {
  command = plan

  variables {
    routes = {
      "PUT /session" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "jwt"
      }
    }
  }

  expect_failures = [var.jwt]
}

run "a_scope_without_a_token_is_refused" {
  command = plan

  variables {
    routes = {
      "POST /broadcast" = {
        alias  = { function_name = "publish", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/publish" }
        auth   = "iam"
        scopes = ["loudhailer/broadcast"]
      }
    }
  }

  expect_failures = [var.routes]
}

run "two_scopes_in_one_are_refused" {
  command = plan

  variables {
    jwt = { issuer = "https://issuer.example.com", audience = ["loudhailer"] }
    routes = {
      "POST /broadcast" = {
        alias  = { function_name = "publish", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/publish" }
        auth   = "jwt"
        scopes = ["broadcast admin"]
      }
    }
  }

  expect_failures = [var.routes]
}

run "a_route_for_any_method_is_refused" {
  command = plan

  variables {
    routes = {
      "ANY /session" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "iam"
      }
    }
  }

  expect_failures = [var.routes]
}

run "a_page_is_public_everywhere" {
  command = plan

  variables {
    routes = {
      "GET /" = {
        alias = { function_name = "console", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/console" }
        auth  = "public"
      }
      "GET /assets/{version}/{file}" = {
        alias = { function_name = "console", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/console" }
        auth  = "public"
      }
    }
  }

  assert {
    condition     = alltrue([for route in aws_apigatewayv2_route.this : route.authorization_type == "NONE"])
    error_message = "auth public must become NONE."
  }
  assert {
    condition = { for key, permission in aws_lambda_permission.this : key => permission.source_arn } == {
      "GET /"                        = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/$default/GET/"
      "GET /assets/{version}/{file}" = "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/$default/GET/assets/*/*"
    }
    error_message = "A permission must name stage, method and path, of the root as well."
  }
}

run "a_route_that_changes_data_is_never_public" {
  command = plan

  variables {
    routes = {
      "PUT /session" = {
        alias = { function_name = "session_api", name = "live", invoke_arn = "arn:aws:apigateway:us-east-1:lambda:path/session" }
        auth  = "public"
      }
    }
  }

  expect_failures = [var.routes]
}

run "an_origin_with_a_path_and_an_issuer_without_tls_are_refused" {
  command = plan

  variables {
    settings = { cors_origins = ["https://example.com/page"] }
    jwt      = { issuer = "http://issuer.example.com", audience = ["loudhailer"] }
  }

  expect_failures = [var.settings, var.jwt]
}

run "a_throttle_of_zero_and_an_endpoint_with_a_path_are_refused" {
  command = plan

  variables {
    settings     = { throttle = { rate = 0 } }
    aws_endpoint = "http://127.0.0.1:4566/local"
  }

  expect_failures = [var.settings, var.aws_endpoint]
}
