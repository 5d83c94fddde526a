output "arn" {
  description = "ARN of the role: role-to-assume of a workflow."
  value       = aws_iam_role.this.arn
}

output "name" {
  description = "Name of the role."
  value       = aws_iam_role.this.name
}
