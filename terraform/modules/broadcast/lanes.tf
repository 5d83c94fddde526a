# One row that says when each kind of lanes was last posting. Encrypted with the key that DynamoDB owns.
resource "aws_dynamodb_table" "lanes" {
  #checkov:skip=CKV_AWS_28:it only says which kinds of lanes are posting at the moment
  #checkov:skip=CKV_AWS_119:a customer key costs a KMS request a call, and gives the same access as permission to read the table; AWS's own key encrypts it
  name                        = "${var.deployment.prefix}-lanes"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "lanes"
  deletion_protection_enabled = var.deployment.deletion_protection

  attribute {
    name = "lanes"
    type = "S"
  }
}

locals {
  # Each kind of lanes has a share of the quota, which its lanes divide. Other kinds borrow the share of an idle kind.
  posts_per_second           = var.quota.posts_per_second * var.quota.headroom
  lane_shares                = { normal = 1 - var.quota.rooms, low = var.quota.rooms }
  lane_posts_per_second      = floor(local.posts_per_second * local.lane_shares.normal / (local.shard_count * var.settings.shards.concurrency))
  room_lane_posts_per_second = max(1, floor(local.posts_per_second * local.lane_shares.low / local.room_workers))

  mark_lanes = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
}
