module "swarm" {
  source = "../lambda_function"

  name                    = "swarm"
  capability              = "broadcast"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.swarm
  memory                  = local.memory.swarm
  reserved_concurrency    = lookup(var.reserved_concurrency, "swarm", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "swarm", null)

  variables = {
    PARTITIONS_TABLE      = local.partitions.name
    BROADCASTS_TABLE      = local.broadcasts.name
    BROADCAST_QUEUE_URL   = local.queues["broadcast"].url
    PARTITION_QUEUE_URL   = local.queues["partition"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
  }

  statements = {
    ReadBroadcasts = {
      actions   = local.consume
      resources = [local.queues["broadcast"].arn]
    }
    ReadPartitions = {
      actions   = ["dynamodb:Query", "dynamodb:Scan"]
      resources = [local.partitions.arn]
    }
    FixSources = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    SendSources = {
      actions   = ["sqs:SendMessage"]
      resources = [local.queues["partition"].arn, local.queues["dead-letter"].arn]
    }
  }
}
