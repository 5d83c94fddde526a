output "arn" {
  description = "ARN of the repository."
  value       = aws_ecr_repository.this.arn
}

output "url" {
  description = "The repository's URL: package.image.repository_url of the other stacks."
  value       = aws_ecr_repository.this.repository_url
}
