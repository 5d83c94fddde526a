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

run "with_further_cells_the_page_reads_their_leases_and_nothing_else" {
  command = plan

  variables {
    cells = {
      regions = { north = "eu-west-1", south = "eu-west-1" }
      table   = { name = "cells", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/cells" }
    }
  }

  assert {
    condition = [
      for statement in module.console.role.policy.Statement : jsonencode([statement.Action, statement.Resource]) if strcontains(jsonencode(statement.Action), "dynamodb")
    ] == [jsonencode([["dynamodb:BatchGetItem"], ["arn:aws:dynamodb:us-east-1:111111111111:table/cells"]])]
    error_message = "The page's function reads the table of cells, and does nothing else with any."
  }
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
