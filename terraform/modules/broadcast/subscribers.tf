# Permissions of another account's post_message in this account. Its own role reads its shards, by their queues'
# policies, and assumes one of these roles for all other requests to the cell. So one role per account, with an external
# id, grants and revokes these permissions.

locals {
  subscriber_function_role_arns = {
    for name, subscriber in var.subscribers : name => join(":", [
      "arn", data.aws_partition.current.partition, "iam", "", subscriber.account_id,
      "role/${var.deployment.prefix}/${var.deployment.prefix}-post_message",
    ])
  }
}

module "subscriber_roles" {
  source = "../roles_for_other_accounts"

  deployment = var.deployment
  roles = {
    for name, subscriber in var.subscribers : name => {
      name        = "subscriber-${name}"
      account_id  = subscriber.account_id
      functions   = ["post_message"]
      external_id = subscriber.external_id
      policy_name = "subscriber"
      statements = {
        Post = {
          actions   = ["execute-api:ManageConnections"]
          resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
        }
        MarkLanes = {
          actions   = local.mark_lanes
          resources = [local.lanes.arn]
        }
        # To its own shards, too: the remaining connections of a chunk return to the shard when the function's time ends.
        SendOutcomes = {
          actions = ["sqs:SendMessage"]
          resources = concat(
            [for n in subscriber.shards : local.shards[n].arn], [local.queues["outcome"].arn, local.queues["dead-letter"].arn]
          )
        }
      }
    }
  }
}

moved {
  from = aws_iam_role.subscriber
  to   = module.subscriber_roles.aws_iam_role.this
}

moved {
  from = aws_iam_role_policy.subscriber
  to   = module.subscriber_roles.aws_iam_role_policy.this
}
