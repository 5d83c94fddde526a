# Pushes the image of a commit on main, and writes down its digest; deploys nothing.
module "release_role" {
  source = "../../modules/github_role"
  count  = local.keeps_images ? 1 : 0

  name           = "${local.prefix}-release"
  description    = "Pushes images and writes the releases' manifests."
  provider_arn   = aws_iam_openid_connect_provider.github.arn
  subject_prefix = var.github_subject_prefix
  subjects       = ["ref:refs/heads/main"]

  policies = {
    release = {
      # The token is for the whole registry: ECR knows no resource for it.
      LogIn = {
        actions   = ["ecr:GetAuthorizationToken"]
        resources = ["*"]
      }
      # https://docs.aws.amazon.com/AmazonECR/latest/userguide/image-push-iam.html; reading is for signing what was pushed.
      PushImages = {
        actions = [
          "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
          "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
        ]
        resources = [one(module.image_repository[*].arn)]
      }
      WriteReleases = {
        actions   = ["s3:GetObject", "s3:PutObject"]
        resources = [local.releases]
      }
    }
  }
}
