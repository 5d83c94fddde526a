# History: the ids of a channel's messages in their order, and the messages. The hub has the only sequence of a channel.

resource "aws_dynamodb_table" "history" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  count = var.control_plane ? 1 : 0

  name                        = "${var.deployment.prefix}-history"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "channel"
  range_key                   = "part"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "channel"
    type = "S"
  }

  attribute {
    name = "part"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  # A head that is lost begins a new epoch, and all clients of its channel miss what was before.
  point_in_time_recovery {
    enabled = true
  }
}

resource "aws_dynamodb_table" "publications" {
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  count = var.control_plane ? 1 : 0

  name                        = "${var.deployment.prefix}-publications"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "publication"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "publication"
    type = "S"
  }

  ttl {
    attribute_name = "expiresAt"
    enabled        = true
  }

  point_in_time_recovery {
    enabled = true
  }
}
