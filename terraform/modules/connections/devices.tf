# The connections of each player, written together with their rows: an index of those would lag behind.
resource "aws_dynamodb_table" "devices" {
  #checkov:skip=CKV_AWS_28:connections end within two hours, so a restored row would belong to none
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-devices"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "player"
  range_key                   = "connectionId"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "player"
    type = "S"
  }

  attribute {
    name = "connectionId"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }
}
