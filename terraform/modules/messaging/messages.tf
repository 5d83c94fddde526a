resource "aws_dynamodb_table" "messages" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-messages"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "inbox"
  range_key                   = "messageId"
  stream_enabled              = true
  stream_view_type            = "NEW_IMAGE"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "inbox"
    type = "S"
  }

  attribute {
    name = "messageId"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
