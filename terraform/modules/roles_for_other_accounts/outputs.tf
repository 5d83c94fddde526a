output "roles" {
  description = "ARN and boundary of each role, and its trust policy and its permissions as JSON, by its key."
  value = {
    for key, role in aws_iam_role.this : key => {
      arn                  = role.arn
      permissions_boundary = role.permissions_boundary
      trust                = role.assume_role_policy
      policy               = aws_iam_role_policy.this[key].policy
    }
  }
}
