data "aws_partition" "current" {}

resource "aws_iam_role" "this" {
  for_each = var.roles

  name                 = "${var.deployment.prefix}-${each.value.name}"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # AWS refuses a principal that does not exist, and the functions' roles may not exist yet. So the account is the
  # principal, and the roles a condition. They are trusted by their names there; the external id protects against other
  # roles of the same names.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_common-scenarios_third-party.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRole"
      Principal = { AWS = "arn:${data.aws_partition.current.partition}:iam::${each.value.account_id}:root" }
      Condition = {
        ArnEquals    = { "aws:PrincipalArn" = try(one(local.trusted[each.key]), local.trusted[each.key]) }
        StringEquals = { "sts:ExternalId" = each.value.external_id }
      }
    }]
  })
}

locals {
  trusted = {
    for key, role in var.roles : key => [
      for function in role.functions : join(":", [
        "arn", data.aws_partition.current.partition, "iam", "", role.account_id,
        "role/${var.deployment.prefix}/${var.deployment.prefix}-${function}",
      ])
    ]
  }
}

resource "aws_iam_role_policy" "this" {
  for_each = var.roles

  name = each.value.policy_name
  role = aws_iam_role.this[each.key].id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in each.value.statements : merge(
        { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources },
        length(statement.conditions) > 0 ? { Condition = statement.conditions } : null,
      )
    ]
  })
}
