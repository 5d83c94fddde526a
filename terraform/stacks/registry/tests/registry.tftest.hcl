mock_provider "aws" {
  override_during = plan

  mock_resource "aws_ecr_repository" {
    defaults = {
      arn            = "arn:aws:ecr:eu-central-1:444444444444:repository/loudhailer"
      repository_url = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
    }
  }

  mock_resource "aws_iam_openid_connect_provider" {
    defaults = { arn = "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com" }
  }

  mock_resource "aws_iam_policy" {
    defaults = { arn = "arn:aws:iam::222222222222:policy/ci/loudhailer-dev-boundary" }
  }

  mock_resource "aws_iam_role" {
    defaults = { id = "mock", arn = "arn:aws:iam::222222222222:role/ci/mock" }
  }

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::loudhailer-dev-222222222222" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  environment           = "dev"
  account_id            = "222222222222"
  hub_account_id        = "222222222222"
  region                = "eu-central-1"
  prefix                = null
  github_subject_prefix = "repo:example@1234567/loudhailer@123456789"
  images                = { account_id = "444444444444", prefix = "loudhailer-production" }
  accounts              = {}
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # An account gets a bucket for state and two roles.
  assert {
    condition     = output.state_bucket == "loudhailer-dev-222222222222"
    error_message = "The bucket must be named after the environment and the account."
  }
  assert {
    condition     = output.plan_role_arn != null && output.apply_role_arn != null && output.permissions_boundary != null
    error_message = "Every account must have both roles, and the boundary."
  }
  assert {
    condition     = output.repository_url == null && output.release_role_arn == null
    error_message = "Images are kept in one account only."
  }
  assert {
    condition     = output.releases == "s3://loudhailer-production-444444444444/releases"
    error_message = "The releases must be in the account of the images."
  }

  # The plan role changes nothing.
  assert {
    condition = alltrue([
      for action in flatten([for policy in [local.read_state, local.read_deployment] : values(policy)[*].actions]) :
      can(regex("^(apigateway:GET|[a-z0-9]+:(BatchGet|Describe|Get|List)[A-Za-z]+)$", action))
    ])
    error_message = "Every action of the plan role must be reading."
  }
  assert {
    condition     = [for sid, statement in local.read_deployment : sid if contains(statement.resources, "*")] == ["ListNames"]
    error_message = "Reading must be limited to the deployment, but for lists."
  }

  # Named resources are changed only with the prefix.
  assert {
    condition = [
      for sid, statement in local.write_deployment : sid if contains(statement.resources, "*")
    ] == ["DeliverApiLogs", "WriteMappings"]
    error_message = "Only log deliveries, which have no ARN, and mappings, which a condition limits, may stand for all."
  }
  assert {
    condition = alltrue([
      for name in ["alarm", "event_rule", "function", "function_log", "gateway_log", "queue", "table", "topic"] :
      endswith(local.named[name], "loudhailer-dev-*") && strcontains(local.named[name], ":222222222222:")
    ])
    error_message = "ARNs must be of this account, and begin with the deployment's prefix."
  }

  # Roles are created, changed and passed only in the path of the deployment.
  assert {
    condition = alltrue([
      for statement in local.write_deployment : statement.resources == ["arn:aws:iam::222222222222:role/loudhailer-dev/*"]
      if anytrue([for action in statement.actions : startswith(action, "iam:")])
    ])
    error_message = "Whatever changes or passes on a role must be limited to role/<prefix>/*: others may bear the prefix, too."
  }

  # Each account keeps to the state and the history of its own stack.
  assert {
    condition = toset(flatten(concat(values(local.read_state)[*].resources, values(local.write_state)[*].resources))) == toset([
      "arn:aws:s3:::loudhailer-dev-222222222222", "arn:aws:s3:::loudhailer-dev-222222222222/hub.tfstate",
      "arn:aws:s3:::loudhailer-dev-222222222222/hub.tfstate.tflock",
      "arn:aws:s3:::loudhailer-dev-222222222222/history/hub.json", local.releases,
    ])
    error_message = "The hub's account must open the hub's state and history, and no other object."
  }

  # A hub's functions can access only their own account.
  assert {
    condition = alltrue([
      for resource in flatten(values(local.boundary)[*].resources) : resource == "*" || strcontains(resource, ":222222222222:")
    ])
    error_message = "Every ARN of the boundary must name the account."
  }

  # No role is made or given rights without the boundary.
  assert {
    condition = toset(flatten([
      for statement in local.write_deployment : [
        for action in statement.actions : action
        if startswith(action, "iam:") && try(statement.conditions.ArnEquals["iam:PermissionsBoundary"], null) == null
      ]
      ])) == toset([
      "iam:DeleteRole", "iam:ListInstanceProfilesForRole", "iam:PassRole", "iam:TagRole", "iam:UntagRole",
      "iam:UpdateAssumeRolePolicy", "iam:UpdateRole", "iam:UpdateRoleDescription",
    ])
    error_message = "Whatever gives a role rights must ask for the boundary."
  }
  assert {
    condition     = !contains(flatten(values(local.write_deployment)[*].actions), "iam:DeleteRolePermissionsBoundary")
    error_message = "Nobody in CI may take the boundary off."
  }

  # Without further cells there is one tenant of the health checks.
  assert {
    condition     = local.watch_release.KeepSyntheticTenants.conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == ["synthetic"]
    error_message = "CI must write the tenant of health checks, and no other row of tenants."
  }

  # Only the routes of the operator's commands: other routes of any API of the account are beyond every role.
  assert {
    condition = local.boundary.Api.resources == [
      "arn:aws:execute-api:eu-central-1:222222222222:*/$default/POST/broadcast",
      "arn:aws:execute-api:eu-central-1:222222222222:*/$default/GET/broadcast/*",
      "arn:aws:execute-api:eu-central-1:222222222222:*/$default/PUT/session",
    ]
    error_message = "The boundary must name the routes that the operator's role calls."
  }

  # No role within the boundary can make roles, or change functions or the description of the deployment.
  assert {
    condition = toset([
      for action in flatten(values(local.boundary)[*].actions) : action
      if anytrue([for service in ["iam:", "lambda:", "s3:", "ssm:"] : startswith(action, service)])
    ]) == toset(["lambda:GetFunctionConfiguration", "lambda:ListEventSourceMappings", "ssm:GetParameter"])
    error_message = "The boundary must hold what functions and operators do, and nothing that changes the deployment."
  }
}

run "one_account_keeps_the_images_too" {
  command = plan

  variables {
    environment    = "production"
    account_id     = "444444444444"
    hub_account_id = "444444444444"
    accounts       = { dev = { account_id = "222222222222" }, production = { account_id = "444444444444" } }
  }

  assert {
    condition     = endswith(output.repository_url, "/loudhailer") && output.release_role_arn != null
    error_message = "The account must have the repository, and the role that pushes to it."
  }
}

# `make infrastructure` plans this run, and lets checkov judge every policy in it.
run "the_stack_with_all_its_roles" {
  command = plan

  variables {
    environment    = "production"
    account_id     = "444444444444"
    hub_account_id = "444444444444"
    accounts       = { dev = { account_id = "222222222222" }, production = { account_id = "444444444444" } }
    cells          = { north = { account_id = "666666666666" } }
  }

  assert {
    condition     = jsondecode(aws_iam_policy.see_cells[0].policy).Statement[0].Action == "dynamodb:BatchGetItem"
    error_message = "A release of a hub with cells reads their leases, and writes none."
  }
  assert {
    condition     = output.plan_role_arn != null && output.apply_role_arn != null && output.release_role_arn != null
    error_message = "The account that keeps the images must have all three roles."
  }
}

run "the_map_of_subscribers_can_be_given_unchanged" {
  command = plan

  variables {
    environment    = "production"
    account_id     = "444444444444"
    hub_account_id = "444444444444"
    accounts = {
      production = { account_id = "444444444444" }
      canary     = { account_id = "555555555555", external_id = "canary-0123456789", shards = [0] }
    }
  }

  assert {
    condition     = length(var.accounts) == 2
    error_message = "A subscriber's other settings must not interfere."
  }
}

run "a_prefix_that_begins_as_aws_own_parameters_is_refused" {
  command = plan

  variables {
    prefix = "awshout"
  }

  expect_failures = [var.prefix]
}

run "a_prefix_that_is_the_path_of_cis_own_roles_is_refused" {
  command = plan

  variables {
    prefix = "ci"
  }

  expect_failures = [var.prefix]
}

run "a_subscribers_account_keeps_to_the_state_and_the_history_of_its_own_stack" {
  command = plan

  variables {
    account_id = "555555555555"
  }

  assert {
    condition = alltrue([
      for resource in flatten([local.read_state.ReadState.resources, local.write_state.WriteState.resources]) :
      endswith(resource, "/subscriber.tfstate")
    ])
    error_message = "A subscriber's account must open the subscriber's state, and no other."
  }
  assert {
    condition     = endswith(one(local.write_state.WriteHistory.resources), "/history/subscriber.json")
    error_message = "A subscriber's account must write the subscriber's history, and no other."
  }
}

run "a_subscribers_functions_can_access_only_their_account_and_their_shards_and_roles_in_the_hubs" {
  command = plan

  variables {
    account_id = "555555555555"
  }

  assert {
    condition = [
      for resource in flatten(values(local.boundary)[*].resources) : resource if resource != "*" && !strcontains(resource, ":555555555555:")
      ] == [
      "arn:aws:sqs:eu-central-1:222222222222:loudhailer-dev-shard-*",
      "arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-subscriber-*",
    ]
    error_message = "The boundary must name its own account, and of the hub's what is for subscribers."
  }
  assert {
    condition = [
      for sid, statement in local.boundary : sid if contains(statement.resources, "*")
    ] == ["Logs", "Mappings", "Traces"]
    error_message = "Only API Gateway's logs, and X-Ray and lists, which know no resource, may be for all."
  }
}

run "a_cells_functions_can_access_only_their_account_and_their_roles_in_the_hubs" {
  command = plan

  variables {
    account_id = "666666666666"
    stack      = "cell"
  }

  assert {
    condition = [
      for resource in flatten(values(local.boundary)[*].resources) : resource if resource != "*" && !strcontains(resource, ":666666666666:")
    ] == ["arn:aws:iam::222222222222:role/loudhailer-dev/loudhailer-dev-cell-*"]
    error_message = "The boundary must name its own account, and of the hub's the roles for cells."
  }
  assert {
    condition     = !contains(keys(local.boundary), "Api")
    error_message = "A cell has no HTTP API: none of its roles may call one."
  }
  assert {
    condition     = local.subscribe_to_hub.SubscribeToHub.resources == ["arn:aws:sns:*:222222222222:loudhailer-dev-broadcast"]
    error_message = "The apply must be let subscribe the cell's queue to the hub's topic."
  }
  assert {
    condition     = endswith(one(local.write_state.WriteState.resources), "/cell.tfstate")
    error_message = "A cell's account must write the cell's state, and no other."
  }
}

run "a_hubs_functions_can_assume_their_roles_in_the_accounts_of_its_cells" {
  command = plan

  variables {
    cells = { north = { account_id = "666666666666" } }
  }

  assert {
    condition = [for resource in local.boundary.Roles.resources : resource if !strcontains(resource, ":222222222222:")] == [
      "arn:aws:iam::666666666666:role/loudhailer-dev/loudhailer-dev-hub",
      "arn:aws:iam::666666666666:role/loudhailer-dev/loudhailer-dev-hub-messages",
    ]
    error_message = "session_api and forward_message act in these two roles."
  }
  assert {
    condition     = local.watch_release.KeepSyntheticTenants.conditions["ForAllValues:StringLike"]["dynamodb:LeadingKeys"] == ["synthetic", "synthetic-hub-*", "synthetic-north-*"]
    error_message = "CI must write the tenants of health checks on these cells, and no other row of tenants."
  }
  assert {
    condition     = length(local.subscribe_to_hub) == 0
    error_message = "A hub subscribes to its own topic alone."
  }
}

run "an_unknown_stack_and_a_cell_with_an_account_of_11_digits_are_refused" {
  command = plan

  variables {
    stack = "registry"
    cells = { north = { account_id = "66666666666" } }
  }

  expect_failures = [var.stack, var.cells]
}

run "a_hub_in_another_account_and_cells_of_a_subscriber_are_refused" {
  command = plan

  variables {
    account_id = "555555555555"
    stack      = "hub"
    cells      = { north = { account_id = "666666666666" } }
  }

  expect_failures = [var.stack, var.cells]
}

run "an_account_of_a_hub_with_11_digits_is_refused" {
  command = plan

  variables {
    hub_account_id = "22222222222"
  }

  expect_failures = [var.hub_account_id]
}

run "policies_fit_into_the_quotas_of_iam" {
  command = plan

  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html
  assert {
    condition = sum([
      for policy in [merge(local.read_state, local.write_state), merge(local.write_deployment, local.subscribe_to_hub, local.watch_release)] :
      length(jsonencode([for sid, s in policy : { Sid = sid, Effect = "Allow", Action = s.actions, Resource = s.resources, Condition = try(s.conditions, null) }])) + 50
    ]) <= 10240
    error_message = "All inline policies of a role must not have more than 10,240 characters together."
  }
  assert {
    condition     = max(length(aws_iam_policy.boundary.policy), length(aws_iam_policy.read_deployment.policy)) <= 6144
    error_message = "A managed policy must not have more than 6,144 characters."
  }
}

run "an_account_id_with_11_digits_is_refused" {
  command = plan

  variables {
    account_id = "22222222222"
  }

  expect_failures = [var.account_id]
}

run "an_account_that_pulls_with_an_id_of_11_digits_is_refused" {
  command = plan

  variables {
    environment    = "production"
    account_id     = "444444444444"
    hub_account_id = "444444444444"
    accounts       = { dev = { account_id = "22222222222" } }
  }

  expect_failures = [var.accounts]
}

run "accounts_that_pull_are_refused_where_no_images_are_kept" {
  command = plan

  variables {
    accounts = { dev = { account_id = "222222222222" } }
  }

  expect_failures = [var.accounts]
}

run "images_without_an_account_that_pulls_are_refused" {
  command = plan

  variables {
    environment    = "production"
    account_id     = "444444444444"
    hub_account_id = "444444444444"
  }

  expect_failures = [var.accounts]
}

run "another_prefix_than_that_of_the_account_that_keeps_the_images_is_refused" {
  command = plan

  variables {
    account_id = "444444444444"
    accounts   = { production = { account_id = "444444444444" } }
  }

  expect_failures = [var.images]
}

run "an_account_of_images_with_11_digits_is_refused" {
  command = plan

  variables {
    images = { account_id = "44444444444", prefix = "loudhailer-production" }
  }

  expect_failures = [var.images]
}

run "a_prefix_of_images_with_an_upper_case_letter_is_refused" {
  command = plan

  variables {
    images = { account_id = "444444444444", prefix = "Loudhailer-production" }
  }

  expect_failures = [var.images]
}

run "a_repository_is_named_with_both_ids_or_with_none" {
  command = plan

  variables {
    github_subject_prefix = "repo:example@1234567/loudhailer"
  }

  expect_failures = [var.github_subject_prefix]
}

run "a_repository_without_immutable_subjects_has_all_its_roles" {
  command = plan

  variables {
    github_subject_prefix = "repo:example/loudhailer"
  }

  assert {
    condition     = output.plan_role_arn != null && output.apply_role_arn != null
    error_message = "The form with names alone must be accepted."
  }
}

run "values_that_aws_or_github_do_not_know_are_refused" {
  command = plan

  variables {
    environment           = "Dev"
    prefix                = "-loudhailer"
    region                = "Frankfurt"
    github_subject_prefix = "https://github.com/example/loudhailer"
    github_environment    = "dev *"
  }

  expect_failures = [
    var.environment, var.prefix, var.region, var.github_subject_prefix, var.github_environment,
  ]
}
