mock_provider "aws" {
  override_during = plan
}

variables {
  environment = "test"
  region      = "us-east-1"
  bucket      = "loudhailer-test-package"
}

run "an_image_needs_no_bucket" {
  command = plan

  variables {
    package = {
      image = {
        repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
        digest         = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
      }
    }
  }

  assert {
    condition     = length(aws_s3_bucket.zip) == 0 && output.package.image == var.package.image && output.package.zip == null
    error_message = "The image must be handed on, and nothing be made."
  }
}

run "a_zip_goes_through_a_bucket" {
  command = plan

  variables {
    environment = "local"
    package     = { zip = { path = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  assert {
    condition = output.package.zip == {
      bucket = "loudhailer-test-package"
      key    = "functions.zip"
      hash   = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
    }
    error_message = "Functions must take the zip from its bucket."
  }
}

run "a_tag_in_place_of_a_digest_is_refused" {
  command = plan

  variables {
    package = { image = { repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer", digest = "latest" } }
  }

  expect_failures = [var.package]
}

run "a_short_digest_is_refused" {
  command = plan

  variables {
    package = { image = { repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer", digest = "sha256:0123456789abcdef" } }
  }

  expect_failures = [var.package]
}

run "an_image_in_another_region_is_refused" {
  command = plan

  variables {
    package = { image = { repository_url = "222222222222.dkr.ecr.eu-central-1.amazonaws.com/loudhailer", digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.package]
}

run "a_repository_of_an_account_with_11_digits_is_refused" {
  command = plan

  variables {
    package = { image = { repository_url = "22222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer", digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.package]
}

run "a_repository_with_a_tag_is_refused" {
  command = plan

  variables {
    package = { image = { repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer:latest", digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" } }
  }

  expect_failures = [var.package]
}

run "a_zip_outside_local_is_refused" {
  command = plan

  variables {
    environment = "dev"
    package     = { zip = { path = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.package]
}

run "an_image_and_a_zip_together_are_refused" {
  command = plan

  variables {
    environment = "local"
    package     = { image = { repository_url = "222222222222.dkr.ecr.us-east-1.amazonaws.com/loudhailer", digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" }, zip = { path = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
  }

  expect_failures = [var.package]
}

run "no_package_is_refused" {
  command = plan

  variables {
    environment = "local"
    package     = {}
  }

  expect_failures = [var.package]
}

run "a_hash_in_hexadecimal_is_refused" {
  command = plan

  variables {
    environment = "local"
    package     = { zip = { path = "functions.zip", hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" } }
  }

  expect_failures = [var.package]
}
