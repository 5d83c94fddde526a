output "parameter" {
  description = "Name of the parameter that describes the deployment."
  value       = aws_ssm_parameter.description.name
}

output "operator_role_arn" {
  description = "ARN of the operator's role; null: nobody may assume it, and there is none."
  value       = one(aws_iam_role.operator[*].arn)
}
