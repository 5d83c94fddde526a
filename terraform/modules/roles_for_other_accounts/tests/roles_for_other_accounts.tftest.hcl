mock_provider "aws" {
  source          = "../../testing/aws"
  override_during = plan
}

variables {
  deployment = jsondecode(file("../../testing/values.json")).deployment
  roles = {
    north = {
      name        = "cell-north"
      account_id  = "222222222222"
      functions   = ["beat", "report"]
      external_id = "north-1"
      policy_name = "cell"
      statements = {
        ReadCells = { actions = ["dynamodb:GetItem"], resources = ["arn:aws:dynamodb:us-east-1:111111111111:table/cells"] }
        Report = {
          actions    = ["dynamodb:UpdateItem"]
          resources  = ["arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts"]
          conditions = { Null = { "dynamodb:LeadingKeys" = ["false"] } }
        }
      }
    }
  }
}

run "a_role_trusts_the_named_functions_of_one_account_with_an_external_id" {
  command = plan

  assert {
    condition = jsondecode(output.roles.north.trust).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:aws:iam::222222222222:root" }
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = [
          for function in ["beat", "report"] : "arn:aws:iam::222222222222:role/loudhailer-test/loudhailer-test-${function}"
        ] }
        StringEquals = { "sts:ExternalId" = "north-1" }
      }
    }]
    error_message = "Only the two functions, and only with the external id, may assume the role."
  }
  assert {
    condition = jsonencode(jsondecode(output.roles.north.policy).Statement) == jsonencode([
      { Sid = "ReadCells", Effect = "Allow", Action = ["dynamodb:GetItem"], Resource = ["arn:aws:dynamodb:us-east-1:111111111111:table/cells"] },
      {
        Sid       = "Report", Effect = "Allow", Action = ["dynamodb:UpdateItem"], Resource = ["arn:aws:dynamodb:us-east-1:111111111111:table/broadcasts"]
        Condition = { Null = { "dynamodb:LeadingKeys" = ["false"] } }
      },
    ])
    error_message = "The permissions must be the statements, and a statement without conditions must have none."
  }
  assert {
    condition     = aws_iam_role.this["north"].name == "loudhailer-test-cell-north" && aws_iam_role.this["north"].path == "/loudhailer-test/"
    error_message = "The role must have the deployment's prefix and path, which CI's roles may change."
  }
}

run "an_account_id_of_11_digits_is_refused" {
  command = plan

  variables {
    roles = { north = merge(var.roles.north, { account_id = "22222222222" }) }
  }

  expect_failures = [var.roles]
}

run "a_role_for_a_whole_account_is_refused" {
  command = plan

  variables {
    roles = { north = merge(var.roles.north, { functions = [] }) }
  }

  expect_failures = [var.roles]
}

run "an_empty_external_id_is_refused" {
  command = plan

  variables {
    roles = { north = merge(var.roles.north, { external_id = "" }) }
  }

  expect_failures = [var.roles]
}

run "a_wildcard_action_is_refused" {
  command = plan

  variables {
    roles = { north = merge(var.roles.north, { statements = { All = { actions = ["dynamodb:*"], resources = ["arn:aws:dynamodb:us-east-1:111111111111:table/cells"] } } }) }
  }

  expect_failures = [var.roles]
}
