resource "aws_cloudwatch_log_group" "access" {
  name              = "/aws/apigateway/${var.prefix}-websocket"
  retention_in_days = var.log_retention_days
}

# API Gateway writes the logs of WebSocket APIs with one role for the whole account and Region.
resource "aws_api_gateway_account" "this" {
  cloudwatch_role_arn = aws_iam_role.logs.arn

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_iam_role" "logs" {
  name = "${var.prefix}-websocket-logs"

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { Service = "apigateway.amazonaws.com" }
    }]
  })
}

data "aws_partition" "current" {}

# API Gateway accepts no role that may do less than this policy of AWS's own.
resource "aws_iam_role_policy_attachment" "logs" {
  role       = aws_iam_role.logs.name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
