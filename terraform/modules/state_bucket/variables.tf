variable "name" {
  description = "The bucket's name, which no other bucket in AWS has."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "name must be 3 to 63 lowercase letters, digits and dashes, beginning with a letter, not ending with a dash."
  }
}

variable "release_readers" {
  description = "The accounts that may read the objects below releases/, by name."
  type        = map(object({ account_id = string }))
  default     = {}

  validation {
    condition     = alltrue([for account in var.release_readers : can(regex("^[0-9]{12}$", account.account_id))])
    error_message = "release_readers: an account_id must be 12 digits."
  }
}

variable "keep_versions_days" {
  description = "Days that an overwritten state is kept."
  type        = number
  default     = 90

  validation {
    condition     = var.keep_versions_days >= 1 && floor(var.keep_versions_days) == var.keep_versions_days
    error_message = "keep_versions_days must be a whole number of at least 1."
  }
}
