# Not encrypted with KMS: SNS knows no other way, a key costs a KMS request per publication, and a message rests in the
# queues, which encrypt it.
resource "aws_sns_topic" "broadcast" {
  name = "${var.prefix}-broadcast"
}

resource "aws_sns_topic_subscription" "broadcast" {
  topic_arn            = aws_sns_topic.broadcast.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work["broadcast"].arn
  raw_message_delivery = true
}
