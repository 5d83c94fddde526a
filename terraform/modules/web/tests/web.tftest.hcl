mock_provider "aws" {
  override_during = plan

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
  deployment = {
    prefix               = "loudhailer-test"
    environment          = "test"
    architecture         = "arm64"
    log_level            = "INFO"
    log_retention_days   = 30
    tracing              = true
    permissions_boundary = null
    deletion_protection  = true
    alarm_topic_arn      = null
  }
  package = {
    image = {
      repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
    zip = null
  }
  functions     = { console = { timeout = 10, memory = 512, reserved = null, provisioned = null } }
  auth          = { broadcast = "iam", session = "iam" }
  list_tenants  = false
  websocket_url = "wss://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live"
}

run "the_page_may_do_nothing" {
  command = plan

  assert {
    condition     = output.functions.console.name == "loudhailer-test-console"
    error_message = "There must be the function of the page."
  }
  assert {
    condition = flatten([for statement in module.console.role.policy.Statement : statement.Action]) == [
      "xray:PutTelemetryRecords", "xray:PutTraceSegments", "logs:CreateLogStream", "logs:PutLogEvents",
    ]
    error_message = "The page needs no rights: what it calls has its own functions."
  }
  assert {
    condition     = keys(output.routes) == ["GET /", "GET /assets/{version}/{file}", "GET /qr.svg"]
    error_message = "The page must have its routes."
  }
}
