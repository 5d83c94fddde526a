# Tables are encrypted with the key that DynamoDB owns: always on, free, and without the request quota of KMS.

locals {
  room_index = "room"
}

resource "aws_dynamodb_table" "connections" {
  #checkov:skip=CKV_AWS_28:connections end within two hours, so a restored row would belong to none
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-connections"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "partition"
  range_key                   = "connectionId"
  stream_enabled              = true
  stream_view_type            = "NEW_AND_OLD_IMAGES"
  deletion_protection_enabled = var.deployment.deletion_protection

  dynamic "attribute" {
    for_each = ["partition", "connectionId", "roomIndexKey", "neverWritten"]
    content {
      name = attribute.value
      type = "S"
    }
  }

  # A row is in it only while it has a room.
  global_secondary_index {
    name            = local.room_index
    hash_key        = "roomIndexKey"
    projection_type = "KEYS_ONLY"
  }

  # Never written, so it costs nothing; but AWS does not split an item collection that has a local index, and so one
  # partition's changes stay on one stream shard, in order: the count of its connections depends on that.
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
