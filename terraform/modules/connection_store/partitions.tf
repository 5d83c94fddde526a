resource "aws_dynamodb_table" "partitions" {
  name                        = "${var.prefix}-partitions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "tenantId"
  range_key                   = "partition"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "tenantId"
    type = "S"
  }

  attribute {
    name = "partition"
    type = "S"
  }
}
