mock_provider "aws" {
  override_during = plan
}

variables {
  prefix    = "loudhailer-test"
  functions = { connect = "loudhailer-test-connect", authorizer = "loudhailer-test-authorizer" }
}

run "each_function_is_watched_for_errors_and_for_throttles" {
  command = plan

  assert {
    condition = output.alarms == {
      connect-errors       = { function = "loudhailer-test-connect", metric = "Errors" }
      connect-throttles    = { function = "loudhailer-test-connect", metric = "Throttles" }
      authorizer-errors    = { function = "loudhailer-test-authorizer", metric = "Errors" }
      authorizer-throttles = { function = "loudhailer-test-authorizer", metric = "Throttles" }
    }
    error_message = "Two alarms must watch each function."
  }
}

run "no_functions_and_a_negative_number_are_refused" {
  command = plan

  variables {
    functions            = {}
    tolerated_per_minute = -1
  }

  expect_failures = [var.functions, var.tolerated_per_minute]
}
