# One row that says when each kind of lanes was last posting. Encrypted with the key that DynamoDB owns.
resource "aws_dynamodb_table" "lanes" {
  #checkov:skip=CKV_AWS_28:it says who posts at the moment, and nothing is lost with it
  #checkov:skip=CKV_AWS_119:a key of one's own costs a KMS request a call, and opens to whoever may read the table; AWS's own key encrypts it
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
  # Each kind of lanes has a share of the quota, which its lanes divide. What a kind leaves idle, the others borrow.
  posts_per_second           = var.quota.posts_per_second * var.quota.headroom
  lane_shares                = { normal = 1 - var.quota.rooms, low = var.quota.rooms }
  lane_posts_per_second      = floor(local.posts_per_second * local.lane_shares.normal / (local.shard_count * var.settings.shards.concurrency))
  room_lane_posts_per_second = max(1, floor(local.posts_per_second * local.lane_shares.low / local.room_workers))

  mark_lanes = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
}
