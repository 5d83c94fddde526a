# Not recovered to a point in time: a restored counter would be wrong, and `reconcile` repairs the totals.
resource "aws_dynamodb_table" "limits" {
  name                        = "${var.prefix}-limits"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "key"
    type = "S"
  }

  ttl {
    attribute_name = "itemTTL"
    enabled        = true
  }
}
