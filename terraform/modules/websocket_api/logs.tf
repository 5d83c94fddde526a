resource "aws_cloudwatch_log_group" "access" {
  #checkov:skip=CKV_AWS_158:CloudWatch encrypts with its own key, and no secret is logged: the fields are picked one by one
  #checkov:skip=CKV_AWS_338:logs are for operating: how long they stay is the variable log_retention_days
  name              = "/aws/apigateway/${var.prefix}-websocket"
  retention_in_days = var.log_retention_days
}

# API Gateway writes the logs of WebSocket APIs with one role for the whole account and Region: one stack sets it there.
resource "aws_api_gateway_account" "this" {
  count = var.api_gateway_account ? 1 : 0

  cloudwatch_role_arn = aws_iam_role.logs[0].arn

  depends_on = [aws_iam_role_policy_attachment.logs]
}

resource "aws_iam_role" "logs" {
  count = var.api_gateway_account ? 1 : 0

  name                 = "${var.prefix}-websocket-logs"
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

data "aws_partition" "current" {}

# API Gateway accepts no role that may do less than this policy of AWS's own.
resource "aws_iam_role_policy_attachment" "logs" {
  count = var.api_gateway_account ? 1 : 0

  role       = aws_iam_role.logs[0].name
  policy_arn = "arn:${data.aws_partition.current.partition}:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
}
