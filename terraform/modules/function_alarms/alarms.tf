# Alarms on functions whose answer a client waits for: no message or record waits instead, so no other alarm shows that
# they fail.
# https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html

locals {
  alarms = merge([
    for name, function in var.functions : {
      "${name}-errors" = {
        function    = function
        metric      = "Errors"
        description = "Invocations of ${name} crash, time out, or do not start: read its log."
      }
      "${name}-throttles" = {
        function    = function
        metric      = "Throttles"
        description = "Invocations of ${name} are refused: the account has no concurrency left for it, or it has all that is reserved for it."
      }
    }
  ]...)
}

module "alarm" {
  source   = "../alarm"
  for_each = local.alarms

  name        = "${var.prefix}-${each.key}"
  description = each.value.description
  threshold   = var.tolerated_per_minute
  topic_arn   = var.topic_arn

  metric = {
    namespace  = "AWS/Lambda"
    name       = each.value.metric
    dimensions = { FunctionName = each.value.function }
    statistic  = "Sum"
  }
}
