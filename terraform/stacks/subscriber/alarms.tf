# That chunks wait, the cell sees at its queues. Errors of the function are visible in this account.

locals {
  alarms = {
    errors = {
      description = "Invocations of post_message crash, time out, or do not start: read its log."
      metric      = { namespace = "AWS/Lambda", name = "Errors", dimensions = { FunctionName = module.post_message.name } }
    }
    throttles = {
      description = "The account has no concurrency left for post_message: raise its quota, or reserve some."
      metric      = { namespace = "AWS/Lambda", name = "Throttles", dimensions = { FunctionName = module.post_message.name } }
    }
    # Reported as failed, message by message, so that the invocation counts as a success.
    failures = {
      description = "Chunks fail in post_message: its role may be refused, or the cell's queues; read its log."
      metric      = { namespace = "Loudhailer", name = "MessageFailed", dimensions = { service = "post_message" } }
    }
  }
}

module "alarm" {
  source   = "../../modules/alarm"
  for_each = local.alarms

  name        = "${var.cell.prefix}-post_message-${each.key}"
  description = each.value.description
  metric      = merge(each.value.metric, { statistic = "Sum" })
  threshold   = 0
  topic_arn   = var.alarm_topic_arn
}
