mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment  = jsondecode(file("../../testing/values.json")).deployment
  description = { http_url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com", shards = 2 }
  operators   = []
  http_api_id = "a1b2c3d4e5"
  close_arn   = "arn:aws:execute-api:us-east-1:111111111111:f6g7h8i9j0/live/DELETE/@connections/*"
  functions   = { publish = "loudhailer-test-publish", "echo-gold" = "loudhailer-test-echo-gold" }
  tables = {
    for name in [
      "broadcasts", "connections", "devices", "history", "lanes", "limits", "members", "messages", "partitions", "places",
      "publications", "sessions", "subscriptions", "tenants",
    ] : name => { name = "loudhailer-test-${name}", arn = "arn:aws:dynamodb:us-east-1:111111111111:table/loudhailer-test-${name}" }
  }
  queues = {
    for name, queue in {
      broadcast = "broadcast", dead-letter = "dead-letter", dead-letter-fifo = "dead-letter.fifo", disconnect = "disconnect"
      express   = "express", outcome = "outcome", partition = "partition", pooled = "pooled.fifo", rooms = "rooms"
      shard-0   = "shard-0", shard-1 = "shard-1", silo-gold = "silo-gold.fifo"
      } : name => {
      url = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-${queue}"
      arn = "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-${queue}"
    }
  }
}

run "the_parameter_has_each_common_beginning_once" {
  command = plan

  assert {
    condition     = aws_ssm_parameter.description.name == "/loudhailer-test/deployment" && aws_ssm_parameter.description.tier == "Standard"
    error_message = "The name follows from the prefix; a usual deployment costs nothing."
  }
  assert {
    condition = jsondecode(nonsensitive(aws_ssm_parameter.description.value)) == {
      http_url = "https://a1b2c3d4e5.execute-api.us-east-1.amazonaws.com"
      shards   = 2
      tables = {
        common = "loudhailer-test-"
        rest   = { for name in keys(var.tables) : name => name }
      }
      functions = { common = "loudhailer-test-", rest = { publish = "publish", "echo-gold" = "echo-gold" } }
      queue_urls = {
        common = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-test-"
        rest = {
          broadcast = "broadcast", dead-letter = "dead-letter", dead-letter-fifo = "dead-letter.fifo", disconnect = "disconnect"
          express   = "express", outcome = "outcome", partition = "partition", pooled = "pooled.fifo", rooms = "rooms"
          shard-0   = "shard-0", shard-1 = "shard-1", silo-gold = "silo-gold.fifo"
        }
      }
    }
    error_message = "Commands expand exactly this."
  }
  assert {
    condition     = length(aws_iam_role.operator) == 0 && output.operator_role_arn == null
    error_message = "A role that nobody may assume is none."
  }
}

run "the_operators_role_has_the_calls_of_the_commands" {
  command = plan

  variables {
    operators = ["arn:aws:iam::111111111111:role/on-call", "arn:aws:iam::111111111111:role/admin"]
  }

  assert {
    condition     = jsondecode(aws_iam_role.operator[0].assume_role_policy).Statement[0].Principal.AWS == ["arn:aws:iam::111111111111:role/admin", "arn:aws:iam::111111111111:role/on-call"]
    error_message = "Only the named principals may assume the role."
  }
  assert {
    condition     = local.statements.CallTheHttpApi.resources[0] == "arn:aws:execute-api:us-east-1:111111111111:a1b2c3d4e5/$default/POST/broadcast"
    error_message = "A signature is for one API and its routes."
  }
  assert {
    condition     = toset([for arn in local.statements.TakeMessages.resources : trimprefix(arn, "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-")]) == toset(["dead-letter", "dead-letter.fifo", "express", "rooms", "shard-*"])
    error_message = "Messages are taken where chunks wait, and where given up ones rest."
  }
  assert {
    condition     = toset([for arn in local.statements.SendMessages.resources : trimprefix(arn, "arn:aws:sqs:us-east-1:111111111111:loudhailer-test-")]) == toset(["broadcast", "express", "outcome", "partition", "pooled.fifo", "rooms", "shard-*", "silo-*.fifo"])
    error_message = "Messages are sent again to the queues that they came from."
  }
  assert {
    condition     = [for arn in local.statements.SeeFunctions.resources : trimprefix(arn, "arn:aws:lambda:us-east-1:111111111111:function:")] == ["loudhailer-test-echo-*", "loudhailer-test-publish"]
    error_message = "The consumers of all silos need one pattern."
  }
  assert {
    condition     = !strcontains(aws_iam_role_policy.operator[0].policy, "loudhailer-test-lanes") && length([for statement in jsondecode(aws_iam_role_policy.operator[0].policy).Statement : statement if contains(flatten([statement.Resource]), "*")]) == 1
    error_message = "Only the list of mappings is of all; no command reads the lanes."
  }
  assert {
    condition = toset([for arn in flatten(values(local.statements)[*].resources) : replace(arn, "/^arn:aws:[a-z-]+:us-east-1:111111111111:/", "") if strcontains(arn, "*")]) == toset([
      "*", "a1b2c3d4e5/$default/GET/broadcast/*", "f6g7h8i9j0/live/DELETE/@connections/*", "function:loudhailer-test-echo-*",
      "log-group:/aws/lambda/loudhailer-test-*", "loudhailer-test-shard-*", "loudhailer-test-silo-*.fifo",
    ])
    error_message = "All other resources must be exact, as docs/decisions/0060 says."
  }
}

run "a_description_that_no_parameter_takes_is_refused" {
  command = plan

  variables {
    functions = { for n in range(600) : "echo-tenant-${n}" => "loudhailer-test-echo-tenant-${n}" }
  }

  expect_failures = [aws_ssm_parameter.description]
}

run "a_policy_of_more_than_10240_characters_is_refused" {
  command = plan

  variables {
    operators = ["arn:aws:iam::111111111111:role/on-call"]
    functions = { for n in range(60) : "function-${n}" => "loudhailer-test-function-with-a-long-name-${n}" }
  }

  expect_failures = [aws_iam_role_policy.operator]
}
