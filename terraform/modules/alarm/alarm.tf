# A query of one metric, not `metric_name`: it says the same, and the local AWS gives it back as it was set.
resource "aws_cloudwatch_metric_alarm" "this" {
  alarm_name          = var.name
  alarm_description   = var.description
  comparison_operator = "GreaterThanThreshold"
  threshold           = var.threshold
  evaluation_periods  = 1
  treat_missing_data  = "notBreaching" # an idle queue or function has no metrics
  alarm_actions       = var.topic_arn[*]
  ok_actions          = var.topic_arn[*]

  metric_query {
    id          = "metric"
    return_data = true

    metric {
      namespace   = var.metric.namespace
      metric_name = var.metric.name
      dimensions  = var.metric.dimensions
      stat        = var.metric.statistic
      period      = 60
    }
  }
}
