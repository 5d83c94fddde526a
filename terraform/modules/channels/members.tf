# The form of the table of connections, whose store reads it: see the module `connections`.
resource "aws_dynamodb_table" "members" {
  #checkov:skip=CKV_AWS_28:members end with their connections within two hours, so a restored row would belong to none
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-members"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "partition"
  range_key                   = "connectionId"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.deployment.deletion_protection

  dynamic "attribute" {
    for_each = ["partition", "connectionId", "neverWritten"]
    content {
      name = attribute.value
      type = "S"
    }
  }

  # Keeps the members of a partition, and so their changes, on one shard of the stream.
  local_secondary_index {
    name            = "unsplit"
    range_key       = "neverWritten"
    projection_type = "KEYS_ONLY"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }
}

# The form of the table of partitions.
resource "aws_dynamodb_table" "audiences" {
  #checkov:skip=CKV_AWS_28:reconcile counts the existing members again
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-audiences"
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

resource "aws_dynamodb_table" "subscriptions" {
  #checkov:skip=CKV_AWS_28:subscriptions end with their connections within two hours, so a restored row would belong to none
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-subscriptions"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "subscriber"
  range_key                   = "channel"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "subscriber"
    type = "S"
  }

  attribute {
    name = "channel"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }
}
