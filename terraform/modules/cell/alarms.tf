# Alarms watch queues: whatever is down or fails, a message waits or ends in a queue of failures. What to do is in
# docs/runbook.md.

locals {
  # A message of the way of a broadcast may wait for half of its life; the other half is left to whoever is woken.
  longest_wait_seconds = floor(var.message_lifetime_seconds / 2)

  work_queues = merge(
    { for shard in range(var.shards.count) : "shard-${shard}" => "nobody posts it, or not fast enough: its subscriber may be down" },
    {
      broadcast   = "swarm does not take broadcasts"
      partition   = "query does not take sources"
      outcome     = "settle does not take outcomes: reports lag behind, deliveries do not"
      undelivered = "settle does not take what could not be handled: reports do not end"
    },
  )

  failure_queues = toset([
    "accounting-failure", "dead-letter", "dead-letter-fifo", "end-session-failure", "inbox-failure", "presence-failure",
  ])

  # A queue's URL ends with its name.
  queue_names = { for name, queue in local.all_queues : name => regex("[^/]+$", queue.url) }
}

module "waiting_alarm" {
  source   = "../alarm"
  for_each = local.work_queues

  name        = "${var.deployment.prefix}-${each.key}-waiting"
  description = "A message waits in ${each.key}: ${each.value}."
  threshold   = local.longest_wait_seconds
  topic_arn   = var.alarm_topic_arn

  metric = {
    namespace  = "AWS/SQS"
    name       = "ApproximateAgeOfOldestMessage"
    dimensions = { QueueName = local.queue_names[each.key] }
    statistic  = "Maximum"
  }
}

module "failure_alarm" {
  source   = "../alarm"
  for_each = local.failure_queues

  name        = "${var.deployment.prefix}-${each.key}-not-empty"
  description = "Something could not be handled and rests in ${each.key}: the runbook says what to do."
  threshold   = 0
  topic_arn   = var.alarm_topic_arn

  metric = {
    namespace  = "AWS/SQS"
    name       = "ApproximateNumberOfMessagesVisible"
    dimensions = { QueueName = local.queue_names[each.key] }
    statistic  = "Maximum"
  }
}
