mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

mock_provider "aws" {
  alias = "hub_region"
}

variables {
  hub = {
    name                     = "north"
    prefix                   = "loudhailer-dev"
    environment              = "dev"
    region                   = "us-east-1"
    account_id               = "111111111111"
    hub_region               = "eu-central-1"
    hub_account_id           = "222222222222"
    role                     = { arn = "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-cell-north", external_id = "north-1" }
    topic_arn                = "arn:aws:sns:eu-central-1:222222222222:loudhailer-dev-broadcast"
    tables                   = { broadcasts = "loudhailer-dev-broadcasts", cells = "loudhailer-dev-cells", tenants = "loudhailer-dev-tenants" }
    weights                  = { hub = 1, north = 1 }
    placement                = { home_connections = 20000, beat_seconds = 5, lease_seconds = 15 }
    messages                 = { role_arn = "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-cell-north-messages", queue_url = "https://sqs.eu-central-1.amazonaws.com/222222222222/loudhailer-dev-forward-north.fifo", placements_table = "loudhailer-dev-placements" }
    message_lifetime_seconds = 300
  }
  region          = "us-east-1"
  alarm_topic_arn = "arn:aws:sns:us-east-1:111111111111:alarms"
  package = {
    image = {
      repository_url = "444444444444.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
      digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
    }
  }
}

# `make infrastructure` plans this run, and lets checkov judge every policy in it.
run "the_stack_with_all_its_roles" {
  command = plan

  assert {
    condition     = aws_sns_topic_subscription.hub.topic_arn == var.hub.topic_arn && aws_sns_topic_subscription.hub.raw_message_delivery && aws_sns_topic_subscription.hub.filter_policy == null
    error_message = "Every broadcast comes as it is, and swarm drops what is not for this cell."
  }
  assert {
    condition     = length(setintersection(keys(output.functions), ["publish", "session_api", "console"])) == 0
    error_message = "Broadcasts are accepted, and sessions opened, by the hub."
  }
  assert {
    condition     = output.functions.report == "loudhailer-dev-report" && output.functions.beat == "loudhailer-dev-beat"
    error_message = "The functions and their roles must have the names that the hub trusts."
  }
}

run "a_cell_in_the_hubs_account_and_a_function_that_a_cell_does_not_have_are_refused" {
  command = plan

  variables {
    hub       = merge(var.hub, { hub_account_id = "111111111111" })
    functions = { publish = { timeout = 20 } }
  }

  expect_failures = [var.hub, var.functions]
}

run "a_cell_without_a_weight_and_settings_of_the_hub_alone_are_refused" {
  command = plan

  variables {
    hub        = merge(var.hub, { weights = { hub = 1 } })
    quota      = { posts_per_second = 0 }
    broadcast  = { lifetime_seconds = 300 }
    deployment = { environment = "dev" }
  }

  expect_failures = [var.hub, var.quota, var.broadcast, var.deployment]
}

run "more_reserved_for_the_echo_of_all_silos_than_the_account_has_is_refused" {
  command = plan

  variables {
    lambda_concurrency = 300
    messaging          = { silo_tenants = ["gold", "silver"] }
    functions          = { echo = { reserved = 70 } }
    quota              = { headroom = 1.01 }
  }

  expect_failures = [var.functions, var.quota]
}

run "quotas_below_the_least_an_unknown_setting_and_a_local_gateway_are_refused" {
  command = plan

  variables {
    lambda_concurrency = 9
    quota              = { express = 0 }
    messaging          = { silos = ["gold"] }
    gateway_endpoint   = "http://127.0.0.1:8001"
  }

  expect_failures = [var.lambda_concurrency, var.quota, var.messaging, var.gateway_endpoint]
}

run "values_that_the_hub_refuses_and_another_region_than_the_maps_are_refused" {
  command = plan

  variables {
    region        = "eu-central-1"
    session_share = 1.01
    quota         = { rooms = 0.51 }
    functions     = { connect = { timeout = 27 } }
    connections   = { maximum = 10 }
  }

  expect_failures = [var.region, var.session_share, var.quota, var.functions, var.connections]
}
