output "name" {
  description = "Name of the function."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN of the function, without a version."
  value       = aws_lambda_function.this.arn
}

# Its type is written here alone; modules that take an alias hand it on.
output "alias" {
  description = "The live alias, as API Gateway needs it: the function's name, the alias's name, ARN and invoke ARN."
  value = {
    function_name = aws_lambda_alias.live.function_name
    name          = aws_lambda_alias.live.name
    arn           = aws_lambda_alias.live.arn
    invoke_arn    = aws_lambda_alias.live.invoke_arn
  }
}

output "concurrency" {
  description = "Reserved concurrency of the function, and its provisioned concurrency; null: none."
  value       = { reserved = var.settings.reserved, provisioned = var.settings.provisioned }
}

output "role" {
  description = "The execution role's name and ARN, and the policy that says what it may do."
  value       = { name = aws_iam_role.this.name, arn = aws_iam_role.this.arn, policy = local.policy }
}

output "tenant_role" {
  description = "The role that the function assumes for one tenant, its name and ARN; null if it acts for no tenant alone."
  value       = one([for role in aws_iam_role.tenant : { name = role.name, arn = role.arn }])
}

output "statements" {
  description = "All that the function may do, in its own role and in that for one tenant, as statements of IAM policies."
  value       = concat(local.policy.Statement, local.tenant_policy.Statement)
}

output "poller_actions" {
  description = "Actions of Lambda's pollers on a queue, for the policy of a queue that a function of another account reads."
  value       = local.poller_actions
}
