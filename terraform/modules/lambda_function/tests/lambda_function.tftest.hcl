mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_role" {
    defaults = {
      id  = "loudhailer-test-swarm"
      arn = "arn:aws:iam::111111111111:role/loudhailer-test-swarm"
    }
  }

  mock_resource "aws_cloudwatch_log_group" {
    defaults = { arn = "arn:aws:logs:us-east-1:111111111111:log-group:/aws/lambda/loudhailer-test-swarm" }
  }

  mock_resource "aws_lambda_function" {
    defaults = { version = "7" }
  }
}

variables {
  name       = "swarm"
  capability = "broadcast"
  deployment = jsondecode(file("../../testing/values.json")).deployment
  package    = jsondecode(file("../../testing/values.json")).package
  variables  = { BROADCASTS_TABLE = "loudhailer-test-broadcasts" }
  statements = {
    ReadBroadcasts = {
      actions   = ["dynamodb:GetItem"]
      resources = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-broadcasts"]
    }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # An image runs by its digest.
  assert {
    condition     = endswith(aws_lambda_function.this.image_uri, "/loudhailer@${var.package.image.digest}")
    error_message = "The image must be named by its digest."
  }
  assert {
    condition     = aws_lambda_function.this.package_type == "Image" && aws_lambda_function.this.handler == null
    error_message = "An image function must have neither a handler nor a runtime."
  }
  assert {
    condition     = aws_lambda_function.this.image_config[0].command == tolist(["functions.broadcast.swarm.handler.handler"])
    error_message = "The image's command must be the function's handler."
  }

  # The live alias points to the published version.
  assert {
    condition     = aws_lambda_function.this.publish && aws_lambda_alias.live.function_version == aws_lambda_function.this.version
    error_message = "The alias must point to the version just published."
  }
  assert {
    condition     = output.alias.name == "live" && output.alias.function_name == "loudhailer-test-swarm"
    error_message = "The alias must be live."
  }

  # No environment is kept warm by default.
  assert {
    condition     = length(aws_lambda_provisioned_concurrency_config.live) == 0
    error_message = "Without settings.provisioned there must be none."
  }

  # Logs expire.
  assert {
    condition     = aws_cloudwatch_log_group.this.name == "/aws/lambda/loudhailer-test-swarm" && aws_cloudwatch_log_group.this.retention_in_days == 30
    error_message = "The function's own log group must keep logs for 30 days."
  }

  # The common variables are added.
  assert {
    condition = aws_lambda_function.this.environment[0].variables == tomap({
      BROADCASTS_TABLE             = "loudhailer-test-broadcasts"
      ENVIRONMENT                  = "test"
      POWERTOOLS_SERVICE_NAME      = "swarm"
      POWERTOOLS_METRICS_NAMESPACE = "Loudhailer"
      POWERTOOLS_LOG_LEVEL         = "INFO"
    })
    error_message = "The function must have its own variables and the common ones, and no others."
  }

  # The role has exactly the permissions of its statements.
  assert {
    condition     = toset(local.policy.Statement[*].Sid) == toset(["ReadBroadcasts", "WriteLogs", "SendTraces"])
    error_message = "Statements must be the given ones, logs and traces."
  }
  assert {
    condition     = !strcontains(join(" ", flatten(local.policy.Statement[*].Action)), "*")
    error_message = "No action may contain a wildcard."
  }
  assert {
    condition     = [for statement in local.policy.Statement : statement.Sid if contains(statement.Resource, "*")] == ["SendTraces"]
    error_message = "Only X-Ray, which knows no resources, may be allowed on all of them."
  }

  # Lambda logs only problems and drops no metric.
  assert {
    condition = (
      aws_lambda_function.this.logging_config[0].log_format == "JSON"
      && aws_lambda_function.this.logging_config[0].system_log_level == "WARN"
      && aws_lambda_function.this.logging_config[0].application_log_level == "INFO"
    )
    error_message = "Lambda would write three lines for each invocation; a level above INFO would drop the metrics."
  }
  assert {
    condition     = aws_lambda_function.this.logging_config[0].log_group == aws_cloudwatch_log_group.this.name
    error_message = "The log must be the one that is kept for so long and no longer."
  }

  # A function of all tenants has no tenant role.
  assert {
    condition = (
      length(aws_iam_role.tenant) == 0 && output.tenant_role == null
      && !contains(keys(aws_lambda_function.this.environment[0].variables), "TENANT_ROLE_ARN")
    )
    error_message = "Without tenant statements there must be no role for tenants."
  }
}

run "a_zip_runs_with_the_same_handler" {
  command = plan

  variables {
    package = {
      image = null
      zip   = { bucket = "packages", key = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" }
    }
  }

  assert {
    condition = (
      aws_lambda_function.this.package_type == "Zip"
      && aws_lambda_function.this.handler == "functions.broadcast.swarm.handler.handler"
      && aws_lambda_function.this.runtime == "python3.13"
    )
    error_message = "A zip must run on Python 3.13 with the function's handler."
  }
}

run "the_alias_has_the_provisioned_concurrency" {
  command = plan

  variables {
    settings = { reserved = 100, provisioned = 100 }
  }

  assert {
    condition = (
      aws_lambda_provisioned_concurrency_config.live[0].qualifier == "live"
      && aws_lambda_provisioned_concurrency_config.live[0].provisioned_concurrent_executions == 100
    )
    error_message = "The environments must be kept warm for the alias, whatever version it points to."
  }
}

run "more_warm_environments_than_are_reserved_are_refused" {
  command = plan

  variables {
    settings = { reserved = 10, provisioned = 11 }
  }

  expect_failures = [var.settings]
}

run "a_part_of_a_warm_environment_is_refused" {
  command = plan

  variables {
    settings = { provisioned = 0.5 }
  }

  expect_failures = [var.settings]
}

run "a_reader_of_queues_has_the_permissions_of_lambdas_pollers" {
  command = plan

  variables {
    queues_read = { ReadChunks = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-shard-0"] }
  }

  assert {
    condition = [for statement in local.policy.Statement : jsonencode(statement) if statement.Sid == "ReadChunks"] == [jsonencode({
      Sid    = "ReadChunks"
      Effect = "Allow"
      Action = [
        "sqs:ChangeMessageVisibility", "sqs:DeleteMessage", "sqs:GetQueueAttributes", "sqs:ReceiveMessage",
      ]
      Resource = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-shard-0"]
    })]
    error_message = "The function must be allowed the actions of Lambda's pollers on its queues, and no others."
  }
}

run "a_queue_that_is_not_an_arn_is_refused" {
  command = plan

  variables {
    queues_read = { ReadChunks = ["*"] }
  }

  expect_failures = [var.queues_read]
}

run "two_statements_with_one_sid_are_refused" {
  command = plan

  variables {
    queues_read = { ReadBroadcasts = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-broadcast"] }
  }

  expect_failures = [var.queues_read]
}

run "a_function_is_not_traced_by_default" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = false
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = null
    }
  }

  assert {
    condition     = !contains(local.policy.Statement[*].Sid, "SendTraces") && aws_lambda_function.this.tracing_config[0].mode == "PassThrough"
    error_message = "A function that is not traced must not be allowed to send traces."
  }
}

run "conditions_reach_the_policy" {
  command = plan

  variables {
    statements = {
      ReadOwnRows = {
        actions    = ["dynamodb:GetItem"]
        resources  = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-connections"]
        conditions = { "ForAllValues:StringLike" = { "dynamodb:LeadingKeys" = ["one#*"] } }
      }
    }
  }

  assert {
    condition = anytrue([
      for statement in local.policy.Statement :
      try(statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"], []) == tolist(["one#*"])
    ])
    error_message = "The policy must contain the condition unchanged."
  }
}

run "roles_are_bounded" {
  command = plan

  variables {
    deployment = {
      prefix               = "loudhailer-test"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      permissions_boundary = "arn:aws:iam::111111111111:policy/ci/loudhailer-test-boundary"
      deletion_protection  = true
      alarm_topic_arn      = null
    }
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  assert {
    condition = alltrue([
      for role in [aws_iam_role.this, aws_iam_role.tenant[0]] : role.permissions_boundary == var.deployment.permissions_boundary
    ])
    error_message = "Both roles must have the boundary."
  }
}

run "a_wildcard_action_is_refused" {
  command = plan

  variables {
    statements = { Everything = { actions = ["dynamodb:*"], resources = ["arn:aws:dynamodb:us-east-1:111111111111:table/one"] } }
  }

  expect_failures = [var.statements]
}

run "all_resources_are_refused" {
  command = plan

  variables {
    statements = { Everywhere = { actions = ["dynamodb:GetItem"], resources = ["*"] } }
  }

  expect_failures = [var.statements]
}

run "a_name_with_a_dash_is_refused" {
  command = plan

  variables {
    name = "post-message"
  }

  expect_failures = [var.name]
}

run "a_timeout_of_more_than_15_minutes_is_refused" {
  command = plan

  variables {
    settings = { timeout = 901 }
  }

  expect_failures = [var.settings]
}

run "too_little_memory_is_refused" {
  command = plan

  variables {
    settings = { memory = 64 }
  }

  expect_failures = [var.settings]
}

run "a_reserved_concurrency_of_zero_is_refused" {
  command = plan

  variables {
    settings = { reserved = 0 }
  }

  expect_failures = [var.settings]
}

run "a_tenants_rows_are_accessed_with_the_tenant_role_only" {
  command = plan

  variables {
    statements = {}
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem", "dynamodb:Query"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-connections"]
        leading_keys = ["{tenantId}#*"]
      }
      Count = {
        actions      = ["dynamodb:UpdateItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-limits"]
        leading_keys = ["{tenantId}", "{tenantId}:*"]
      }
    }
  }

  assert {
    condition     = aws_iam_role.tenant[0].name == "loudhailer-test-swarm-tenant"
    error_message = "The tenant role must be named after the function."
  }
  assert {
    condition     = aws_lambda_function.this.environment[0].variables["TENANT_ROLE_ARN"] == aws_iam_role.tenant[0].arn
    error_message = "The function must know its tenant role."
  }
  assert {
    condition = [
      for statement in local.policy.Statement : statement.Resource if contains(statement.Action, "sts:AssumeRole")
    ] == [[aws_iam_role.tenant[0].arn]]
    error_message = "The function must be allowed to assume its own tenant role, and no other."
  }
  assert {
    condition     = !anytrue([for action in flatten(local.policy.Statement[*].Action) : startswith(action, "dynamodb:")])
    error_message = "The function's own role must not reach the tables of its tenant statements."
  }
  assert {
    condition = {
      for statement in local.tenant_policy.Statement :
      statement.Sid => statement.Condition["ForAllValues:StringLike"]["dynamodb:LeadingKeys"]
      } == {
      ReadRows = ["$${aws:PrincipalTag/tenantId}#*"]
      Count    = ["$${aws:PrincipalTag/tenantId}", "$${aws:PrincipalTag/tenantId}:*"]
    }
    error_message = "Every statement must pin the leading keys to the session's tag."
  }
  assert {
    condition = alltrue([
      for statement in local.tenant_policy.Statement : statement.Condition.Null["dynamodb:LeadingKeys"] == "false"
    ])
    error_message = "Every statement must ask for leading keys: ForAllValues holds where there are none."
  }
}

run "only_the_function_assumes_its_tenant_role_and_only_for_a_tenant" {
  command = plan

  variables {
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  assert {
    condition = jsondecode(aws_iam_role.tenant[0].assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { AWS = aws_iam_role.this.arn }
      Condition = {
        StringLike                  = { "aws:RequestTag/tenantId" = "?*" }
        "ForAllValues:StringEquals" = { "aws:TagKeys" = ["tenantId"] }
        "ForAnyValue:StringEquals"  = { "sts:TransitiveTagKeys" = ["tenantId"] }
      }
    }]
    error_message = "The role must be assumed by the function alone, with a tenant as its only tag, and transitive."
  }
}

run "a_tenant_statement_that_names_no_partition_key_is_refused" {
  command = plan

  variables {
    tenant_statements = {
      ReadAll = {
        actions      = ["dynamodb:Scan"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  expect_failures = [var.tenant_statements]
}

run "leading_keys_that_a_longer_tenant_id_matches_are_refused" {
  command = plan

  variables {
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}*"]
      }
    }
  }

  expect_failures = [var.tenant_statements]
}

run "leading_keys_without_a_tenant_are_refused" {
  command = plan

  variables {
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["*"]
      }
    }
  }

  expect_failures = [var.tenant_statements]
}

run "a_tenant_role_with_too_long_a_name_is_refused" {
  command = plan

  variables {
    name = "a_name_that_fills_its_thirty_two"
    deployment = {
      prefix               = "loudhailer-environment-of-teams"
      environment          = "test"
      architecture         = "arm64"
      log_level            = "INFO"
      log_retention_days   = 30
      tracing              = true
      permissions_boundary = null
      deletion_protection  = true
      alarm_topic_arn      = null
    }
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  expect_failures = [var.tenant_statements]
}

run "a_suffix_distinguishes_functions_of_the_same_code" {
  command = plan

  variables {
    suffix = "gold"
  }

  assert {
    condition = (
      aws_lambda_function.this.function_name == "loudhailer-test-swarm-gold" && aws_iam_role.this.name == "loudhailer-test-swarm-gold"
      && aws_lambda_function.this.image_config[0].command == tolist(["functions.broadcast.swarm.handler.handler"])
      && aws_lambda_function.this.environment[0].variables["POWERTOOLS_SERVICE_NAME"] == "swarm"
    )
    error_message = "The name must end with the suffix, and the code be the same."
  }
}

run "a_suffix_that_makes_the_name_too_long_is_refused" {
  command = plan

  variables {
    suffix = "a-suffix-that-is-longer-than-what-is-left-of-the-name"
  }

  expect_failures = [var.suffix]
}

run "a_suffix_that_lambda_does_not_know_is_refused" {
  command = plan

  variables {
    suffix = "gold#1"
  }

  expect_failures = [var.suffix]
}

run "variables_of_more_than_4_kilobytes_are_refused" {
  command = plan

  variables {
    variables = { SHARD_QUEUE_URLS = join(",", [for n in range(60) : "https://sqs.us-east-1.amazonaws.com/111111111111/a-queue-with-a-long-name-${n}"]) }
  }

  expect_failures = [aws_lambda_function.this]
}

run "a_policy_of_more_than_10240_characters_is_refused" {
  command = plan

  variables {
    statements = {
      SendChunks = {
        actions   = ["sqs:SendMessage"]
        resources = [for n in range(150) : "arn:aws:sqs:us-east-1:111111111111:a-queue-with-quite-a-long-name-for-a-shard-${n}"]
      }
    }
  }

  expect_failures = [aws_iam_role_policy.this]
}

run "sids_with_other_characters_and_an_unknown_capability_are_refused" {
  command = plan

  variables {
    capability = "presence"
    statements = { "Read-Broadcasts" = var.statements.ReadBroadcasts }
    tenant_statements = {
      "Read rows" = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  expect_failures = [var.capability, var.statements, var.tenant_statements]
}

run "statements_without_actions_and_without_leading_keys_are_refused" {
  command = plan

  variables {
    statements = { ReadBroadcasts = merge(var.statements.ReadBroadcasts, { actions = [] }) }
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-sessions"]
        leading_keys = []
      }
    }
  }

  expect_failures = [var.statements, var.tenant_statements]
}

run "a_tenant_statement_for_all_resources_and_a_sid_with_a_space_are_refused" {
  command = plan

  variables {
    queues_read = { "Read chunks" = ["arn:aws:sqs:us-east-1:111111111111:loudhailer-test-shard-0"] }
    tenant_statements = {
      ReadRows = {
        actions      = ["dynamodb:GetItem"]
        resources    = ["*"]
        leading_keys = ["{tenantId}"]
      }
    }
  }

  expect_failures = [var.queues_read, var.tenant_statements]
}
