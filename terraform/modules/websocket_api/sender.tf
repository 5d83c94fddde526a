# API Gateway sends to the queues of a route in a role of that route's own.
resource "aws_iam_role" "sender" {
  for_each = var.queue_routes

  name                 = "${var.prefix}-send-${trimprefix(each.key, "$")}"
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

# IAM refuses a statement without a resource, and without a silo no queue is there to send to.
resource "aws_iam_role_policy" "sender" {
  for_each = { for key, route in var.queue_routes : key => route if length(route.queue_arns) > 0 }

  name = "sender"
  role = aws_iam_role.sender[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid      = "Send"
      Effect   = "Allow"
      Action   = ["sqs:SendMessage"]
      Resource = each.value.queue_arns
    }]
  })
}
