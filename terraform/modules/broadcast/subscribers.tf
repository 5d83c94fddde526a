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

resource "aws_iam_role" "subscriber" {
  for_each = var.subscribers

  name                 = "${var.deployment.prefix}-subscriber-${each.key}"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # The function's role may not be there yet, and AWS refuses a principal that is not: the account is the principal, the
  # role a condition. The role is trusted by its name there; the external id protects against another role of the same
  # name.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${each.value.account_id}:root" }
      Condition = {
        ArnEquals    = { "aws:PrincipalArn" = local.subscriber_function_role_arns[each.key] }
        StringEquals = { "sts:ExternalId" = each.value.external_id }
      }
    }]
  })
}

locals {
  subscriber_policies = {
    for name, subscriber in var.subscribers : name => {
      Version = "2012-10-17"
      Statement = [
        {
          Sid      = "Post"
          Effect   = "Allow"
          Action   = ["execute-api:ManageConnections"]
          Resource = [var.websocket_api.post_arn, var.websocket_api.close_arn]
        },
        {
          Sid      = "MarkLanes"
          Effect   = "Allow"
          Action   = local.mark_lanes
          Resource = [local.lanes.arn]
        },
        # To its own shards, too: the remaining connections of a chunk return to the shard when the function's time
        # ends.
        {
          Sid    = "SendOutcomes"
          Effect = "Allow"
          Action = ["sqs:SendMessage"]
          Resource = concat(
            [for n in subscriber.shards : local.shards[n].arn], [local.queues["outcome"].arn, local.queues["dead-letter"].arn]
          )
        },
      ]
    }
  }
}

resource "aws_iam_role_policy" "subscriber" {
  for_each = var.subscribers

  name   = "subscriber"
  role   = aws_iam_role.subscriber[each.key].id
  policy = jsonencode(local.subscriber_policies[each.key])
}
