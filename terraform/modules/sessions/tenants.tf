# Tables are encrypted with the key that DynamoDB owns: always on, free, and without the request quota of KMS.

resource "aws_dynamodb_table" "tenants" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-tenants"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "tenantId"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "tenantId"
    type = "S"
  }

  point_in_time_recovery {
    enabled = true
  }
}
