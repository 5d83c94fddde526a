mock_provider "aws" {
  override_during = plan

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }

  mock_data "aws_region" {
    defaults = { name = "eu-central-1" }
  }
}

variables {
  name = "loudhailer"
  accounts = {
    dev        = { account_id = "222222222222" }
    production = { account_id = "444444444444" }
    again      = { account_id = "222222222222" }
  }
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # A tag cannot be moved, and every image is scanned.
  assert {
    condition     = aws_ecr_repository.this.image_tag_mutability == "IMMUTABLE"
    error_message = "A tag must stay with its image."
  }
  assert {
    condition     = aws_ecr_repository.this.image_scanning_configuration[0].scan_on_push
    error_message = "An image must be scanned when it is pushed."
  }

  # Only the accounts of the map pull.
  assert {
    condition = jsondecode(aws_ecr_repository_policy.this.policy).Statement[0].Principal == {
      AWS = ["arn:aws:iam::222222222222:root", "arn:aws:iam::444444444444:root"]
    }
    error_message = "Each account must be named once, and no other."
  }

  # Lambda pulls for functions of the mapped accounts in this region only.
  assert {
    condition = jsondecode(aws_ecr_repository_policy.this.policy).Statement[1] == {
      Sid       = "TheirFunctionsPull"
      Effect    = "Allow"
      Principal = { Service = "lambda.amazonaws.com" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
      Condition = {
        ArnLike = {
          "aws:SourceArn" = [
            "arn:aws:lambda:eu-central-1:222222222222:function:*",
            "arn:aws:lambda:eu-central-1:444444444444:function:*",
          ]
        }
      }
    }
    error_message = "Lambda must be limited by the functions' ARNs."
  }

  # Accounts that pull cannot push.
  assert {
    condition = toset(flatten(jsondecode(aws_ecr_repository_policy.this.policy).Statement[*].Action)) == toset([
      "ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer",
    ])
    error_message = "The repository's policy must give reading alone."
  }
}

run "old_tagged_images_expire_and_untagged_ones_stay" {
  command = plan

  variables {
    keep = 50
  }

  assert {
    condition = jsondecode(aws_ecr_lifecycle_policy.this.policy).rules[*].selection == [
      { tagStatus = "tagged", tagPatternList = ["*"], countType = "imageCountMoreThan", countNumber = 50 }
    ]
    error_message = "Only tagged images, beyond the number to keep, may expire: signatures have no tag."
  }
}

run "an_account_id_with_11_digits_is_refused" {
  command = plan

  variables {
    accounts = { dev = { account_id = "22222222222" } }
  }

  expect_failures = [var.accounts]
}

run "a_repository_without_pulling_accounts_is_refused" {
  command = plan

  variables {
    accounts = {}
  }

  expect_failures = [var.accounts]
}

run "values_that_ecr_does_not_know_are_refused" {
  command = plan

  variables {
    name = "Loudhailer"
    keep = 1.5
  }

  expect_failures = [var.name, var.keep]
}
