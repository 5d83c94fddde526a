mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment    = jsondecode(file("../../testing/values.json")).deployment
  package       = jsondecode(file("../../testing/values.json")).package
  functions     = { console = { timeout = 10, memory = 512, reserved = null, provisioned = null } }
  auth          = { broadcast = "iam", session = "iam" }
  list_tenants  = false
  websocket_url = "wss://f6e5d4c3b2.execute-api.us-east-1.amazonaws.com/live"
}

run "the_page_has_no_permissions" {
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
