# The function uses a separate role for one tenant's data: the session tag `tenantId` names the tenant, and DynamoDB
# allows only rows whose partition key begins with it.

resource "aws_iam_role" "tenant" {
  count                = length(var.tenant_statements) > 0 ? 1 : 0
  name                 = "${local.function_name}-tenant"
  path                 = "/${var.deployment.prefix}/"
  permissions_boundary = var.deployment.permissions_boundary

  # The tag must be passed on to every further role, so that no chain of roles ends in another tenant; other tags are
  # refused: https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = ["sts:AssumeRole", "sts:TagSession"]
      Principal = { AWS = aws_iam_role.this.arn }
      Condition = {
        StringLike                  = { "aws:RequestTag/tenantId" = "?*" }
        "ForAllValues:StringEquals" = { "aws:TagKeys" = ["tenantId"] }
        "ForAnyValue:StringEquals"  = { "sts:TransitiveTagKeys" = ["tenantId"] }
      }
    }]
  })
}

locals {
  # ForAllValues holds if the request has no key at all, as a Scan has none: the key must be there too.
  # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_examples-multi-valued-context-keys.html
  tenant_policy = {
    Version = "2012-10-17"
    Statement = [
      for sid, statement in var.tenant_statements : {
        Sid      = sid
        Effect   = "Allow"
        Action   = statement.actions
        Resource = statement.resources
        Condition = {
          "ForAllValues:StringLike" = {
            "dynamodb:LeadingKeys" = [
              for key in statement.leading_keys : replace(key, "{tenantId}", "$${aws:PrincipalTag/tenantId}")
            ]
          }
          Null = { "dynamodb:LeadingKeys" = "false" }
        }
      }
    ]
  }

  assume_tenant_role = {
    for role in aws_iam_role.tenant : "AssumeTenantRole" => {
      actions    = ["sts:AssumeRole", "sts:TagSession"]
      resources  = [role.arn]
      conditions = {}
    }
  }
}

resource "aws_iam_role_policy" "tenant" {
  count  = length(aws_iam_role.tenant)
  name   = "tenant"
  role   = aws_iam_role.tenant[count.index].id
  policy = jsonencode(local.tenant_policy)
}
