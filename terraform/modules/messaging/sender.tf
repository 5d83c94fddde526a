# API Gateway sends in this role: to these queues, and to no other.
resource "aws_iam_role" "sender" {
  name                 = "${var.prefix}-websocket-sender"
  path                 = "/${var.prefix}/"
  permissions_boundary = var.permissions_boundary

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

resource "aws_iam_role_policy" "sender" {
  name = "sender"
  role = aws_iam_role.sender.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "SendFrames"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = values(aws_sqs_queue.this)[*].arn
    }]
  })
}
