# Prerequisites of an account for deployments: the bucket of Terraform's state, and the roles of CI.
# One account, that of `images`, keeps the images and the releases' manifests besides.

data "aws_partition" "current" {}

locals {
  prefix       = coalesce(var.prefix, "loudhailer-${var.environment}")
  keeps_images = var.account_id == var.images.account_id
  stack        = coalesce(var.stack, var.account_id == var.hub_account_id ? "hub" : "subscriber")

  bucket   = "${local.prefix}-${var.account_id}"
  state    = "${module.state_bucket.arn}/${local.stack}.tfstate"
  history  = "${module.state_bucket.arn}/history/${local.stack}.json"
  releases = "arn:${local.partition}:s3:::${var.images.prefix}-${var.images.account_id}/releases/*"
  image    = "arn:${local.partition}:ecr:${var.region}:${var.images.account_id}:repository/${var.images.repository}"

  partition = data.aws_partition.current.partition
}

module "state_bucket" {
  source = "../../modules/state_bucket"

  name            = local.bucket
  release_readers = local.keeps_images ? var.accounts : {}
}

module "image_repository" {
  source = "../../modules/image_repository"
  count  = local.keeps_images ? 1 : 0

  name     = var.images.repository
  accounts = var.accounts
}
