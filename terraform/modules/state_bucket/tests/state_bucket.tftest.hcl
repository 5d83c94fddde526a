mock_provider "aws" {
  override_during = plan

  mock_resource "aws_s3_bucket" {
    defaults = { arn = "arn:aws:s3:::loudhailer-dev-222222222222" }
  }

  mock_data "aws_partition" {
    defaults = { partition = "aws" }
  }
}

variables {
  name = "loudhailer-dev-222222222222"
}

run "every_part_is_as_documented_by_default" {
  command = plan

  # The state is versioned, encrypted and closed to the public.
  assert {
    condition     = aws_s3_bucket_versioning.this.versioning_configuration[0].status == "Enabled"
    error_message = "A state that was overwritten must still be there."
  }
  assert {
    condition = [
      for rule in aws_s3_bucket_server_side_encryption_configuration.this.rule :
      rule.apply_server_side_encryption_by_default[0].sse_algorithm
    ] == ["AES256"]
    error_message = "Objects must be encrypted."
  }
  assert {
    condition = alltrue([
      aws_s3_bucket_public_access_block.this.block_public_acls, aws_s3_bucket_public_access_block.this.block_public_policy,
      aws_s3_bucket_public_access_block.this.ignore_public_acls, aws_s3_bucket_public_access_block.this.restrict_public_buckets,
    ])
    error_message = "Every kind of public access must be blocked."
  }

  # A bucket with state in it is not deleted.
  assert {
    condition     = !coalesce(aws_s3_bucket.this.force_destroy, false)
    error_message = "S3 must refuse to delete a bucket that is not empty."
  }

  # Plain HTTP and other principals are refused.
  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement == [{
      Sid       = "RefusePlainHttp"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = ["arn:aws:s3:::loudhailer-dev-222222222222", "arn:aws:s3:::loudhailer-dev-222222222222/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
    error_message = "The policy must refuse plain HTTP, and allow nobody anything."
  }
}

run "other_accounts_read_manifests_and_no_state" {
  command = plan

  variables {
    release_readers = { dev = { account_id = "222222222222" }, production = { account_id = "444444444444" } }
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement[3] == {
      Sid       = "AccountsReadReleases"
      Effect    = "Allow"
      Principal = { AWS = ["arn:aws:iam::222222222222:root", "arn:aws:iam::444444444444:root"] }
      Action    = ["s3:GetObject"]
      Resource  = ["arn:aws:s3:::loudhailer-dev-222222222222/releases/*"]
    }
    error_message = "The accounts must be able to read below releases/, and nowhere else."
  }
}

run "manifests_are_written_once_and_kept" {
  command = plan

  variables {
    release_readers = { dev = { account_id = "222222222222" } }
  }

  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement[1] == {
      Sid       = "WriteReleasesOnce"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:PutObject"
      Resource  = ["arn:aws:s3:::loudhailer-dev-222222222222/releases/*"]
      Condition = { Null = { "s3:if-none-match" = "true" } }
    }
    error_message = "Writing a manifest must require that it does not exist yet."
  }
  assert {
    condition = jsondecode(aws_s3_bucket_policy.this.policy).Statement[2] == {
      Sid       = "KeepReleases"
      Effect    = "Deny"
      Principal = "*"
      Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
      Resource  = ["arn:aws:s3:::loudhailer-dev-222222222222/releases/*"]
    }
    error_message = "A manifest that could be deleted could be written again."
  }
}

run "an_account_id_with_11_digits_is_refused" {
  command = plan

  variables {
    release_readers = { dev = { account_id = "22222222222" } }
  }

  expect_failures = [var.release_readers]
}

run "values_that_s3_does_not_know_are_refused" {
  command = plan

  variables {
    name               = "Loudhailer_"
    keep_versions_days = 0
  }

  expect_failures = [var.name, var.keep_versions_days]
}
