mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_role" {
    defaults = { id = "loudhailer-dev-plan" }
  }
}

variables {
  name         = "loudhailer-dev-plan"
  description  = "Plans."
  provider_arn = "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com"
  repository   = "example/loudhailer"
  subjects     = ["pull_request", "ref:refs/heads/main"]
  policies = {
    read = {
      ReadState = {
        actions   = ["s3:GetObject"]
        resources = ["arn:aws:s3:::loudhailer-dev-222222222222/*.tfstate"]
      }
    }
  }
}

run "only_runs_of_the_repository_about_these_subjects_take_the_role" {
  command = plan

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement == [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com" }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [
            "repo:example/loudhailer:pull_request", "repo:example/loudhailer:ref:refs/heads/main",
          ]
        }
      }
    }]
    error_message = "The token's audience and subject must be compared, whole."
  }
}

run "the_role_lies_where_the_apply_role_changes_nothing" {
  command = plan

  assert {
    condition     = aws_iam_role.this.path == "/ci/"
    error_message = "The path must be /ci/."
  }
}

run "conditions_reach_the_policy" {
  command = plan

  variables {
    policies = {
      write = {
        PassRoles = {
          actions    = ["iam:PassRole"]
          resources  = ["arn:aws:iam::222222222222:role/loudhailer-dev-*"]
          conditions = { StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com"] } }
        }
      }
    }
  }

  assert {
    condition = jsondecode(aws_iam_role_policy.this["write"].policy).Statement[0].Condition == {
      StringEquals = { "iam:PassedToService" = ["lambda.amazonaws.com"] }
    }
    error_message = "The condition must stand in the policy as it was given."
  }
}

run "a_wildcard_subject_is_refused" {
  command = plan

  variables {
    subjects = ["ref:refs/heads/*"]
  }

  expect_failures = [var.subjects]
}

run "a_role_for_nobody_is_refused" {
  command = plan

  variables {
    subjects = []
  }

  expect_failures = [var.subjects]
}

run "a_wildcard_action_is_refused" {
  command = plan

  variables {
    policies = { read = { Everything = { actions = ["s3:Get*"], resources = ["arn:aws:s3:::one/*"] } } }
  }

  expect_failures = [var.policies]
}

run "another_provider_and_a_repository_without_an_owner_are_refused" {
  command = plan

  variables {
    name         = "Plan"
    provider_arn = "arn:aws:iam::222222222222:oidc-provider/gitlab.com"
    repository   = "loudhailer"
  }

  expect_failures = [var.name, var.provider_arn, var.repository]
}
