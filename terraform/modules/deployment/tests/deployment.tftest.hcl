variables {
  prefix          = "loudhailer-test"
  environment     = "test"
  alarm_topic_arn = "arn:aws:sns:us-east-1:111111111111:alarms"
}

run "omitted_settings_have_defaults" {
  command = plan

  assert {
    condition = jsonencode(output.deployment) == jsonencode({
      prefix               = "loudhailer-test"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      former_release       = false
      before_channels      = false
      tracing              = false
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = "arn:aws:sns:us-east-1:111111111111:alarms"
    })
    error_message = "The deployment must be complete: arm64, INFO, 30 days, not traced, and its tables protected."
  }
}

run "malformed_values_are_refused" {
  command = plan

  variables {
    prefix      = "Loudhailer"
    environment = "Test"
    settings    = { architecture = "riscv" }
  }

  expect_failures = [var.prefix, var.environment, var.settings]
}

run "an_unknown_log_level_is_refused" {
  command = plan

  variables {
    settings = { log_level = "LOUD" }
  }

  expect_failures = [var.settings]
}

run "a_level_at_which_lambda_drops_the_metrics_is_refused" {
  command = plan

  variables {
    settings = { log_level = "WARNING" }
  }

  expect_failures = [var.settings]
}

run "an_illegal_retention_of_logs_is_refused" {
  command = plan

  variables {
    settings = { log_retention_days = 2 }
  }

  expect_failures = [var.settings]
}

run "tables_are_protected_and_alarms_notify_outside_local" {
  command = plan

  variables {
    deletion_protection = false
    alarm_topic_arn     = null
  }

  expect_failures = [var.deletion_protection, var.alarm_topic_arn]
}

run "a_local_deployment_can_be_deleted_and_notifies_no_one" {
  command = plan

  variables {
    environment         = "local"
    deletion_protection = false
    alarm_topic_arn     = null
  }

  assert {
    condition     = !output.deployment.deletion_protection && output.deployment.alarm_topic_arn == null
    error_message = "A local stack must go down by itself."
  }
}

run "a_prefix_that_begins_as_aws_own_parameters_is_refused" {
  command = plan

  variables {
    prefix = "awshout"
  }

  expect_failures = [var.prefix]
}

run "a_prefix_that_begins_with_ssm_is_refused" {
  command = plan

  variables {
    prefix = "ssm-hailer"
  }

  expect_failures = [var.prefix]
}
