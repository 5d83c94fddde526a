resource "aws_sns_topic" "broadcast" {
  #checkov:skip=CKV_AWS_26:SNS knows no other way than KMS, which costs a request a publication; a message rests in the queues, which encrypt it
  name = "${var.prefix}-broadcast"
}

resource "aws_sns_topic_subscription" "broadcast" {
  topic_arn            = aws_sns_topic.broadcast.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work["broadcast"].arn
  raw_message_delivery = true
}
