mock_provider "aws" {
  override_during = plan
}

variables {
  name        = "loudhailer-test-dead-letter"
  description = "A message could not be handled."
  threshold   = 0
  metric = {
    namespace  = "AWS/SQS"
    name       = "ApproximateNumberOfMessagesVisible"
    dimensions = { QueueName = "loudhailer-test-dead-letter" }
    statistic  = "Maximum"
  }
}

run "a_minute_above_the_threshold_raises_the_alarm_and_missing_data_does_not" {
  command = plan

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this.comparison_operator == "GreaterThanThreshold"
      && aws_cloudwatch_metric_alarm.this.evaluation_periods == 1
      && aws_cloudwatch_metric_alarm.this.period == 60
      && aws_cloudwatch_metric_alarm.this.treat_missing_data == "notBreaching"
    )
    error_message = "One minute must be enough, and no data no alarm."
  }
  assert {
    condition     = length(aws_cloudwatch_metric_alarm.this.alarm_actions) == 0 && length(aws_cloudwatch_metric_alarm.this.ok_actions) == 0
    error_message = "Without a topic, the alarm must have no actions."
  }
}

run "the_topic_is_notified_of_the_beginning_and_the_end_of_an_alarm" {
  command = plan

  variables {
    topic_arn = "arn:aws:sns:us-east-1:111111111111:alarms"
  }

  assert {
    condition = (
      aws_cloudwatch_metric_alarm.this.alarm_actions == toset([var.topic_arn])
      && aws_cloudwatch_metric_alarm.this.ok_actions == toset([var.topic_arn])
    )
    error_message = "The topic must be notified of both."
  }
}

run "a_malformed_topic_and_a_hiding_statistic_are_refused" {
  command = plan

  variables {
    topic_arn = "arn:aws:sqs:us-east-1:111111111111:alarms"
    threshold = -1
    metric    = { namespace = "AWS/SQS", name = "Age", dimensions = {}, statistic = "Average" }
  }

  expect_failures = [var.topic_arn, var.threshold, var.metric]
}
