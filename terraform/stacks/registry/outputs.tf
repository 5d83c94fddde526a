output "state_bucket" {
  description = "Name of the bucket that keeps the state of the account's stacks: bucket of their backends."
  value       = module.state_bucket.name
}

output "releases" {
  description = "Place of the releases' manifests, as s3://<bucket>/releases."
  value       = "s3://${var.images.prefix}-${var.images.account_id}/releases"
}

output "repository_url" {
  description = "URL of the image repository, package.image.repository_url of the other stacks; null where no images are kept."
  value       = one(module.image_repository[*].url)
}

output "plan_role_arn" {
  description = "ARN of the role for plans: pull requests and main."
  value       = module.plan_role.arn
}

output "apply_role_arn" {
  description = "ARN of the role for applies: the GitHub environment."
  value       = module.apply_role.arn
}

output "release_role_arn" {
  description = "ARN of the role that pushes images: main; null where no images are kept."
  value       = one(module.release_role[*].arn)
}

output "permissions_boundary" {
  description = "ARN of the boundary of all roles that CI makes: permissions_boundary of the other stacks."
  value       = aws_iam_policy.boundary.arn
}
