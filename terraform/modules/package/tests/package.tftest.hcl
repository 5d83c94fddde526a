mock_provider "aws" {
  override_during = plan
}

variables {
  bucket = "loudhailer-test-package"
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
    package = { zip = { path = "functions.zip", hash = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" } }
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
