resource "aws_dynamodb_table" "partitions" {
  #checkov:skip=CKV_AWS_28:reconcile counts again what connections there are
  #checkov:skip=CKV_AWS_119:a key of one's own costs a KMS request a call, and opens to whoever may read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-partitions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "tenantId"
  range_key                   = "partition"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "tenantId"
    type = "S"
  }

  attribute {
    name = "partition"
    type = "S"
  }
}
