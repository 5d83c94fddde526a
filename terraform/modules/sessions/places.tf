# The numbers of sessions of a tenant and of messages of an inbox. Not recovered to a point in time: all of it can be
# counted again.
resource "aws_dynamodb_table" "places" {
  #checkov:skip=CKV_AWS_28:numbers of rows of other tables, which are counted again when a limit is reached
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-places"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "tenantId"
  range_key                   = "place"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "tenantId"
    type = "S"
  }

  attribute {
    name = "place"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }
}
