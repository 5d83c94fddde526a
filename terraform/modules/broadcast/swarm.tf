module "swarm" {
  source = "../lambda_function"

  name       = "swarm"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.swarm

  variables = {
    PARTITIONS_TABLE      = local.partitions.name
    AUDIENCES_TABLE       = local.audiences.name
    BROADCASTS_TABLE      = local.broadcasts.name
    BROADCAST_QUEUE_URL   = local.queues["broadcast"].url
    PARTITION_QUEUE_URL   = local.queues["partition"].url
    DEAD_LETTER_QUEUE_URL = local.queues["dead-letter"].url
    CELL_NAME             = try(var.hub.name, null)
  }

  queues_read = { ReadBroadcasts = [local.queues["broadcast"].arn] }

  statements = {
    ReadPartitions = {
      actions   = ["dynamodb:Query", "dynamodb:Scan"]
      resources = [local.partitions.arn]
    }
    CountMembers = {
      actions   = ["dynamodb:Query"]
      resources = [local.audiences.arn]
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

resource "aws_lambda_event_source_mapping" "swarm" {
  event_source_arn        = aws_sqs_queue.work["broadcast"].arn
  function_name           = module.swarm.alias.arn
  batch_size              = 1
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}
