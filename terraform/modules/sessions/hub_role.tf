# In a further cell: only the hub's `session_api` reaches the sessions that it has placed here.

resource "aws_iam_role" "hub" {
  count = var.hub == null ? 0 : 1

  name                 = "${var.deployment.prefix}-hub"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # The account is the principal, the role a condition: as for a subscriber.
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${var.hub.hub_account_id}:root" }
      Condition = {
        ArnEquals = { "aws:PrincipalArn" = join(":", [
          "arn", data.aws_partition.current.partition, "iam", "", var.hub.hub_account_id,
          "role/${var.deployment.prefix}/${var.deployment.prefix}-session_api",
        ]) }
        StringEquals = { "sts:ExternalId" = var.hub.role.external_id }
      }
    }]
  })
}

resource "aws_iam_role_policy" "hub" {
  count = var.hub == null ? 0 : 1

  name = "hub"
  role = aws_iam_role.hub[0].id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [for sid, statement in local.keep_sessions : { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources }]
  })
}
