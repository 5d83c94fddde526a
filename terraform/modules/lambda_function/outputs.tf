output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

output "alias" {
  description = "The live alias, as API Gateway needs it: the function's name, the alias's name, ARN and invoke ARN."
  value = {
    function_name = aws_lambda_alias.live.function_name
    name          = aws_lambda_alias.live.name
    arn           = aws_lambda_alias.live.arn
    invoke_arn    = aws_lambda_alias.live.invoke_arn
  }
}

output "role" {
  description = "The execution role's name and ARN, and the policy that says what it may do."
  value       = { name = aws_iam_role.this.name, arn = aws_iam_role.this.arn, policy = local.policy }
}
