# Not recovered to a point in time: a restored counter would be wrong, and `reconcile` repairs the totals.
resource "aws_dynamodb_table" "limits" {
  #checkov:skip=CKV_AWS_28:counts of open connections and of the last minute, which reconcile corrects
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-limits"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "key"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "key"
    type = "S"
  }

  ttl {
    attribute_name = "itemTTL"
    enabled        = true
  }
}
