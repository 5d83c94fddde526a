variable "name" {
  description = "The repository's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,62}$", var.name))
    error_message = "name must be 2 to 63 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "accounts" {
  description = "The accounts that may pull, by name: their functions run the image."
  type        = map(object({ account_id = string }))

  validation {
    condition     = length(var.accounts) > 0
    error_message = "accounts must name at least one account: an image that nobody may pull runs nowhere."
  }
  validation {
    condition     = alltrue([for account in var.accounts : can(regex("^[0-9]{12}$", account.account_id))])
    error_message = "accounts: an account_id must be 12 digits."
  }
}

variable "keep" {
  description = "Number of images that are kept; the oldest are deleted first, and their releases can then not be restored."
  type        = number
  default     = 500

  validation {
    condition     = var.keep >= 10 && floor(var.keep) == var.keep
    error_message = "keep must be a whole number of at least 10."
  }
}
