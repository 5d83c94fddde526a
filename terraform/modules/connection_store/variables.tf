variable "prefix" {
  description = "Beginning of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "deletion_protection" {
  description = "AWS refuses to delete the tables while this is on."
  type        = bool
  default     = true
}
