# One repository for all environments: what staging tried is, digest by digest, what production runs.
resource "aws_ecr_repository" "this" {
  #checkov:skip=CKV_AWS_136:the repository's policy says who pulls; a key would have to say the same again, of every account
  name                 = var.name
  image_tag_mutability = "IMMUTABLE"

  image_scanning_configuration {
    scan_on_push = true
  }

  encryption_configuration {
    encryption_type = "AES256"
  }
}

# Signatures and attestations are kept as untagged images that refer to theirs: only whole images are counted, by their tag.
resource "aws_ecr_lifecycle_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "Keep the latest ${var.keep} images."
      selection = {
        tagStatus      = "tagged"
        tagPatternList = ["*"]
        countType      = "imageCountMoreThan"
        countNumber    = var.keep
      }
      action = { type = "expire" }
    }]
  })
}
