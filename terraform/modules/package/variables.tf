variable "bucket" {
  description = "Name of the bucket for a zip."
  type        = string
}

variable "package" {
  description = "What the functions run: the image, by digest, or a zip on this machine and the base64 of its SHA-256."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ path = string, hash = string }))
  })
}
