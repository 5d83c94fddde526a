# A role that a workflow on GitHub takes with the token that GitHub signs for the run: there is no key to keep.
# The subject says whose run it is and what it is about, and is compared whole:
# https://docs.github.com/en/actions/reference/security/oidc
# Its path keeps it out of role/<prefix>/*, which the apply role may change.
resource "aws_iam_role" "this" {
  name                 = var.name
  path                 = "/ci/"
  description          = var.description
  max_session_duration = 3600

  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Action    = "sts:AssumeRoleWithWebIdentity"
      Principal = { Federated = var.provider_arn }
      Condition = {
        StringEquals = {
          "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com"
          "token.actions.githubusercontent.com:sub" = [for subject in var.subjects : "${var.subject_prefix}:${subject}"]
        }
      }
    }]
  })
}

resource "aws_iam_role_policy" "this" {
  for_each = var.policies

  name = each.key
  role = aws_iam_role.this.id

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      for sid, statement in each.value : merge(
        { Sid = sid, Effect = "Allow", Action = statement.actions, Resource = statement.resources },
        length(statement.conditions) > 0 ? { Condition = statement.conditions } : null,
      )
    ]
  })
}

resource "aws_iam_role_policy_attachment" "this" {
  for_each = var.shared_policies

  role       = aws_iam_role.this.name
  policy_arn = each.value
}
