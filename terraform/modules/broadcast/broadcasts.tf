# Encrypted with the key that DynamoDB owns: always on, free, and without the request quota of KMS.
resource "aws_dynamodb_table" "broadcasts" {
  #checkov:skip=CKV_AWS_28:a report lives for a week, and nothing is rebuilt from it
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-broadcasts"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "broadcastId"
  range_key                   = "part"
  deletion_protection_enabled = var.deployment.deletion_protection

  # A further cell's `report` reads every change.
  stream_enabled   = var.hub == null ? null : true
  stream_view_type = var.hub == null ? null : "KEYS_ONLY"

  attribute {
    name = "broadcastId"
    type = "S"
  }

  attribute {
    name = "part"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }
}
