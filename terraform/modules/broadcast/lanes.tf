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
  # Each kind of lanes has a share of the quota, which its lanes divide. Other kinds borrow the share of an idle kind. It is
  # rounded to twelve digits: Terraform calculates 1 - 0.1 - 0.05 as 0.8499999 with 150 more nines, and functions get it as text.
  posts_per_second      = var.quota.posts_per_second * var.quota.headroom
  normal_share          = tonumber(format("%.12f", 1 - var.quota.rooms - var.quota.express))
  lane_shares           = { normal = local.normal_share, low = var.quota.rooms, express = var.quota.express }
  lane_posts_per_second = floor(local.posts_per_second * local.lane_shares.normal / (local.shard_count * var.settings.shards.concurrency))
  express_bucket        = floor(var.quota.burst / 10)

  # Dedicated lanes have a queue of their own, and an instance of `post_message` that reads it. So no broadcast waits for
  # large rooms, and no small broadcast for a large one. AWS allows a mapping no fewer than two workers.
  dedicated_lanes = {
    rooms = { kind = "low", workers = 2, bucket = 0, queues_for_rest = [local.queues["rooms"]] }

    # Its lanes post at once, from the account's bucket: the shards' lanes post more slowly than the bucket fills, and
    # use it only for a moment when a kind begins. All four lanes use two fifths of it. Remaining connections of a chunk
    # go to a shard.
    express = { kind = "express", workers = 4, bucket = local.express_bucket, queues_for_rest = local.query_shards }
  }
  dedicated_lane_posts_per_second = {
    for name, lanes in local.dedicated_lanes : name => max(1, floor(local.posts_per_second * local.lane_shares[lanes.kind] / lanes.workers))
  }

  mark_lanes = ["dynamodb:GetItem", "dynamodb:UpdateItem"]
}
