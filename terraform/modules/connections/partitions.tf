resource "aws_dynamodb_table" "partitions" {
  #checkov:skip=CKV_AWS_28:reconcile counts the existing connections again
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
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
