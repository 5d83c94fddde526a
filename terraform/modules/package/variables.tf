variable "environment" {
  description = "The environment: `local` alone may run a zip."
  type        = string
}

variable "region" {
  description = "The AWS Region of the functions: Lambda runs no image of another."
  type        = string
}

variable "bucket" {
  description = "Name of the bucket for a zip."
  type        = string
}

variable "package" {
  description = "Code of the functions: the image, by digest, or locally a zip on this machine and the base64 of its SHA-256."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ path = string, hash = string }))
  })

  validation {
    condition     = (var.package.image == null) != (var.package.zip == null)
    error_message = "package must have either image or zip."
  }
  validation {
    condition     = var.environment == "local" || var.package.zip == null
    error_message = "package.zip is for the environment local only: elsewhere functions run the image."
  }
  # https://docs.aws.amazon.com/lambda/latest/dg/images-create.html: function and image are in the same Region.
  validation {
    condition = var.environment == "local" || var.package.image == null ? true : can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*$", var.package.image.repository_url
    ))
    error_message = "package.image.repository_url must be <12-digit account>.dkr.ecr.<region>.amazonaws.com/<name>, without a tag, in the Region of region: Lambda runs no image of another."
  }
  validation {
    condition     = var.package.image == null ? true : can(regex("^sha256:[a-f0-9]{64}$", var.package.image.digest))
    error_message = "package.image.digest must be sha256: followed by 64 lowercase hexadecimal digits; a tag is none."
  }
  validation {
    condition     = var.package.zip == null ? true : can(regex("^[A-Za-z0-9+/]{43}=$", var.package.zip.hash))
    error_message = "package.zip.hash must be the base64 of the zip's SHA-256: 43 characters and =."
  }
}
