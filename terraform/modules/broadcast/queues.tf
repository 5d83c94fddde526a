locals {
  # Shards beyond the count get nothing new, and are read until they are empty: older versions of query may still send
  # to them, and so may versions that a rollback returns to.
  shard_count = var.settings.shards.count + var.settings.shards.draining
  shard_names = [for n in range(local.shard_count) : "shard-${n}"]

  gathering_seconds = 1

  # Each queue with the function that reads it, and how many times the variable `max_receive_count` its messages are
  # received. A failed broadcast or source is received again after 2 s, 4 s and so on: ten times in five minutes. A message
  # in `undelivered` may keep its number of receives: AWS counts them "across all queues", and names no queue.
  work_queues = merge(
    {
      broadcast   = { consumer = "swarm", receives = 2 }
      partition   = { consumer = "query", receives = 2 }
      outcome     = { consumer = "settle", receives = 1 }
      undelivered = { consumer = "settle", receives = 4 }
      rooms       = { consumer = "post_message-rooms", receives = 1 }
      express     = { consumer = "post_message-express", receives = 1 }
    },
    { for shard in local.shard_names : shard => { consumer = "post_message", receives = 1 } },
  )

  consumers = toset(values(local.work_queues)[*].consumer)

  account_root_arn = "arn:${data.aws_partition.current.partition}:iam::${data.aws_caller_identity.current.account_id}:root"

  # Composed from its parts: a queue's policy cannot refer to the queue's own ARN.
  broadcast_queue_arn = join(":", [
    "arn", data.aws_partition.current.partition, "sqs", data.aws_region.current.name,
    data.aws_caller_identity.current.account_id, "${var.deployment.prefix}-broadcast",
  ])

  # A further cell's queue also accepts the hub's topic. Between Regions, SNS of an opt-in Region has a principal of its own.
  # https://docs.aws.amazon.com/sns/latest/dg/sns-cross-region-delivery.html
  topic_arns     = concat([aws_sns_topic.broadcast.arn], [for hub in var.hub[*] : hub.topic_arn])
  topic_regions  = distinct(flatten([for hub in var.hub[*] : [hub.region, hub.hub_region]]))
  sns_principals = concat(["sns.amazonaws.com"], [for region in local.topic_regions : "sns.${region}.amazonaws.com" if contains(local.opt_in_regions, region)])
  opt_in_regions = [
    "af-south-1", "ap-east-1", "ap-east-2", "ap-south-2", "ap-southeast-3", "ap-southeast-4", "ap-southeast-5", "ap-southeast-6",
    "ap-southeast-7", "ca-west-1", "eu-central-2", "eu-south-1", "eu-south-2", "il-central-1", "me-central-1", "me-south-1",
    "mx-central-1",
  ]

  topic_may_send = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TopicMaySend"
      Effect    = "Allow"
      Principal = { Service = try(one(local.sns_principals), local.sns_principals) }
      Action    = "sqs:SendMessage"
      Resource  = local.broadcast_queue_arn
      Condition = { ArnEquals = { "aws:SourceArn" = try(one(local.topic_arns), local.topic_arns) } }
    }]
  })
}

resource "aws_sqs_queue" "work" {
  for_each = local.work_queues

  name                    = "${var.deployment.prefix}-${each.key}"
  sqs_managed_sse_enabled = true

  # Longer than a report is kept: no message that a report still counts on expires unread. Shorter than in the dead-letter
  # queue, where a message keeps the time at which it was first sent.
  message_retention_seconds = 691200

  policy = each.key == "broadcast" ? local.topic_may_send : null

  # Six times the function's timeout, and the gathering, as AWS asks for: a batch that Lambda throttles is retried while
  # it is invisible.
  visibility_timeout_seconds = 6 * var.functions[each.value.consumer].timeout + (each.value.consumer == "settle" ? local.gathering_seconds : 0)
}

locals {
  claims = merge([
    for name, subscriber in var.subscribers : {
      for n in subscriber.shards : "shard-${n}" => merge(subscriber, { name = name })
    }
  ]...)
}

# A subscriber's function, whose role is in another account, may read its shards. AWS refuses a principal that does not
# exist, and the role may not exist yet. So the account is the principal, and the role a condition.
# https://docs.aws.amazon.com/lambda/latest/dg/with-sqs-cross-account-example.html
resource "aws_sqs_queue_policy" "shard" {
  for_each = local.claims

  queue_url = aws_sqs_queue.work[each.key].url
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "SubscriberMayRead"
      Effect    = "Allow"
      Principal = { AWS = replace(local.subscriber_function_role_arns[each.value.name], "/:role/.*/", ":root") }
      Action    = module.post_message.poller_actions
      Resource  = aws_sqs_queue.work[each.key].arn
      Condition = { ArnEquals = { "aws:PrincipalArn" = local.subscriber_function_role_arns[each.value.name] } }
    }]
  })
}

# Messages that no function could handle, kept for an operator.
resource "aws_sqs_queue" "dead_letter" {
  name                      = "${var.deployment.prefix}-dead-letter"
  message_retention_seconds = 1209600
  sqs_managed_sse_enabled   = true
}

# A message that was received too often is settled as failed before it reaches the dead-letter queue, so that its report
# ends. A resource apart from the queues, so that no queue waits for another: the provider watches each change of a queue
# for 25 seconds.
resource "aws_sqs_queue_redrive_policy" "work" {
  for_each = local.work_queues

  queue_url = aws_sqs_queue.work[each.key].url
  redrive_policy = jsonencode({
    deadLetterTargetArn = each.key == "undelivered" ? aws_sqs_queue.dead_letter.arn : aws_sqs_queue.work["undelivered"].arn
    maxReceiveCount     = var.max_receive_count * each.value.receives
  })
}
