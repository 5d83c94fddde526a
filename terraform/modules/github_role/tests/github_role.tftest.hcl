mock_provider "aws" {
  override_during = plan

  mock_resource "aws_iam_role" {
    defaults = { id = "loudhailer-dev-plan" }
  }
}

variables {
  name           = "loudhailer-dev-plan"
  description    = "Plans."
  provider_arn   = "arn:aws:iam::222222222222:oidc-provider/token.actions.githubusercontent.com"
  subject_prefix = "repo:example@1234567/loudhailer@123456789"
  subjects       = ["pull_request", "ref:refs/heads/main"]
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
            "repo:example@1234567/loudhailer@123456789:pull_request",
            "repo:example@1234567/loudhailer@123456789:ref:refs/heads/main",
          ]
        }
      }
    }]
    error_message = "The token's audience and subject must be compared, whole."
  }
}

run "a_repository_without_immutable_subjects_is_trusted_by_its_names" {
  command = plan

  variables {
    subject_prefix = "repo:example_corp/loudhailer.io"
  }

  assert {
    condition = jsondecode(aws_iam_role.this.assume_role_policy).Statement[0].Condition.StringEquals["token.actions.githubusercontent.com:sub"] == [
      "repo:example_corp/loudhailer.io:pull_request", "repo:example_corp/loudhailer.io:ref:refs/heads/main",
    ]
    error_message = "The subject must have the names alone."
  }
}

run "the_role_has_a_path_that_the_apply_role_cannot_change" {
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
    error_message = "The policy must contain the condition unchanged."
  }
}

run "a_wildcard_subject_is_refused" {
  command = plan

  variables {
    subjects = ["ref:refs/heads/*"]
  }

  expect_failures = [var.subjects]
}

run "a_role_without_subjects_is_refused" {
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
    name           = "Plan"
    provider_arn   = "arn:aws:iam::222222222222:oidc-provider/gitlab.com"
    subject_prefix = "repo:loudhailer"
  }

  expect_failures = [var.name, var.provider_arn, var.subject_prefix]
}

run "an_empty_prefix_is_refused" {
  command = plan

  variables {
    subject_prefix = ""
  }

  expect_failures = [var.subject_prefix]
}

run "every_repository_of_an_owner_is_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example@1234567/*"
  }

  expect_failures = [var.subject_prefix]
}

run "a_wildcard_id_is_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example@*/loudhailer@?"
  }

  expect_failures = [var.subject_prefix]
}

run "an_id_of_the_owner_alone_is_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example@1234567/loudhailer"
  }

  expect_failures = [var.subject_prefix]
}

run "an_id_of_the_repository_alone_is_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example/loudhailer@123456789"
  }

  expect_failures = [var.subject_prefix]
}

run "ids_behind_dashes_are_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example@1234567/loudhailer-123456789@"
  }

  expect_failures = [var.subject_prefix]
}

run "a_prefix_with_a_subject_behind_it_is_refused" {
  command = plan

  variables {
    subject_prefix = "repo:example@1234567/loudhailer@123456789:ref:refs/heads/main"
  }

  expect_failures = [var.subject_prefix]
}

run "a_repository_without_the_word_repo_is_refused" {
  command = plan

  variables {
    subject_prefix = "example/loudhailer"
  }

  expect_failures = [var.subject_prefix]
}
