data "aws_partition" "current" {}

locals {
  readers = sort(distinct(values(var.release_readers)[*].account_id))

  refuse_plain_http = {
    Sid       = "RefusePlainHttp"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:*"
    Resource  = [aws_s3_bucket.this.arn, "${aws_s3_bucket.this.arn}/*"]
    Condition = { Bool = { "aws:SecureTransport" = "false" } }
  }

  # A manifest names a commit's image: permission to overwrite it would be permission to choose the deployed image.
  # S3 takes only what is not there yet, and for that the request must say so; copies and uploads in parts cannot.
  # https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes-enforce.html
  write_releases_once = {
    Sid       = "WriteReleasesOnce"
    Effect    = "Deny"
    Principal = "*"
    Action    = "s3:PutObject"
    Resource  = ["${aws_s3_bucket.this.arn}/releases/*"]
    Condition = { Null = { "s3:if-none-match" = "true" } }
  }

  # Behind a delete marker it would not be there, either.
  keep_releases = {
    Sid       = "KeepReleases"
    Effect    = "Deny"
    Principal = "*"
    Action    = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    Resource  = ["${aws_s3_bucket.this.arn}/releases/*"]
  }

  accounts_read_releases = {
    Sid       = "AccountsReadReleases"
    Effect    = "Allow"
    Principal = { AWS = [for id in local.readers : "arn:${data.aws_partition.current.partition}:iam::${id}:root"] }
    Action    = ["s3:GetObject"]
    Resource  = ["${aws_s3_bucket.this.arn}/releases/*"]
  }
}

resource "aws_s3_bucket_policy" "this" {
  bucket = aws_s3_bucket.this.id

  # Two JSON texts, because the statements are of several types.
  policy = (
    length(local.readers) == 0
    ? jsonencode({ Version = "2012-10-17", Statement = [local.refuse_plain_http] })
    : jsonencode({ Version = "2012-10-17", Statement = [
      local.refuse_plain_http, local.write_releases_once, local.keep_releases, local.accounts_read_releases,
    ] })
  )

  depends_on = [aws_s3_bucket_public_access_block.this]
}
