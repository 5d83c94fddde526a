locals {
  # They are composed from their names: the role of `send_message` is another module's, and each may not exist yet.
  publisher_role_arns = [
    for name in concat(var.control_plane ? ["publish"] : [], ["send_message"]) : join(":", [
      "arn", data.aws_partition.current.partition, "iam", "", data.aws_caller_identity.current.account_id,
      "role/${var.deployment.prefix}/${var.deployment.prefix}-${name}",
    ])
  ]
}

resource "aws_sns_topic" "broadcast" {
  #checkov:skip=CKV_AWS_26:SNS knows no other way than KMS, which costs a request a publication; a message rests in the queues, which encrypt it
  name = "${var.deployment.prefix}-broadcast"
}

# It replaces SNS's default policy, which lets every principal of the account publish and subscribe. Everyone receives
# what is published on the topic, so the policy names the publishers:
# https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-use-cases.html
resource "aws_sns_topic_policy" "broadcast" {
  arn = aws_sns_topic.broadcast.arn

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = concat(local.cells_may_subscribe, [
      {
        Sid       = "PublishersMayPublish"
        Effect    = "Allow"
        Principal = { AWS = local.account_root_arn }
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.broadcast.arn
        Condition = { ArnEquals = { "aws:PrincipalArn" = local.publisher_role_arns } }
      },
      {
        Sid       = "NobodyElseMay"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.broadcast.arn
        Condition = { ArnNotEquals = { "aws:PrincipalArn" = local.publisher_role_arns } }
      },
      {
        Sid       = "RefusePlainHttp"
        Effect    = "Deny"
        Principal = "*"
        Action    = "sns:Publish"
        Resource  = aws_sns_topic.broadcast.arn
        Condition = { Bool = { "aws:SecureTransport" = "false" } }
      },
    ])
  })
}

resource "aws_sns_topic_subscription" "broadcast" {
  topic_arn            = aws_sns_topic.broadcast.arn
  protocol             = "sqs"
  endpoint             = aws_sqs_queue.work["broadcast"].arn
  raw_message_delivery = true
}
