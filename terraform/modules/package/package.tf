# The functions' code, in the form that they take. Only `local` runs a zip. It goes through a bucket because the
# provider, given a file, creates one function at a time, five seconds each.

resource "aws_s3_bucket" "zip" {
  #checkov:skip=CKV_AWS_18:local only: it lives and dies with the local stack
  #checkov:skip=CKV_AWS_21:local only: it lives and dies with the local stack
  #checkov:skip=CKV_AWS_144:local only: it lives and dies with the local stack
  #checkov:skip=CKV_AWS_145:local only: it lives and dies with the local stack
  #checkov:skip=CKV2_AWS_6:local only: it lives and dies with the local stack
  #checkov:skip=CKV2_AWS_61:local only: it lives and dies with the local stack
  #checkov:skip=CKV2_AWS_62:local only: it lives and dies with the local stack
  count = var.package.zip == null ? 0 : 1

  bucket        = var.bucket
  force_destroy = true
}

resource "aws_s3_object" "zip" {
  count = length(aws_s3_bucket.zip)

  bucket      = aws_s3_bucket.zip[0].bucket
  key         = "functions.zip"
  source      = var.package.zip.path
  source_hash = var.package.zip.hash
}
