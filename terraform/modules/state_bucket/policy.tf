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

  # Two JSON texts, because the statements are of two types.
  policy = (
    length(local.readers) == 0
    ? jsonencode({ Version = "2012-10-17", Statement = [local.refuse_plain_http] })
    : jsonencode({ Version = "2012-10-17", Statement = [local.refuse_plain_http, local.accounts_read_releases] })
  )

  depends_on = [aws_s3_bucket_public_access_block.this]
}
