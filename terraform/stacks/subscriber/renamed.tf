# Variables of earlier releases. Terraform passes over a value for a variable that it does not know; these refuse it, and say
# what takes its place. CHANGELOG.md has an example of each.

variable "architecture" {
  description = "Removed: set deployment.architecture."
  type        = any
  default     = null

  validation {
    condition     = var.architecture == null
    error_message = "architecture is no variable any more: set deployment.architecture."
  }
}

variable "log_level" {
  description = "Removed: set deployment.log_level."
  type        = any
  default     = null

  validation {
    condition     = var.log_level == null
    error_message = "log_level is no variable any more: set deployment.log_level."
  }
}

variable "log_retention_days" {
  description = "Removed: set deployment.log_retention_days."
  type        = any
  default     = null

  validation {
    condition     = var.log_retention_days == null
    error_message = "log_retention_days is no variable any more: set deployment.log_retention_days."
  }
}

variable "tracing" {
  description = "Removed: set deployment.tracing."
  type        = any
  default     = null

  validation {
    condition     = var.tracing == null
    error_message = "tracing is no variable any more: set deployment.tracing."
  }
}

variable "memory" {
  description = "Removed: set post_message.memory."
  type        = any
  default     = null

  validation {
    condition     = var.memory == null
    error_message = "memory is no variable any more: set post_message.memory."
  }
}

variable "reserved_concurrency" {
  description = "Removed: set post_message.reserved."
  type        = any
  default     = null

  validation {
    condition     = var.reserved_concurrency == null
    error_message = "reserved_concurrency is no variable any more: set post_message.reserved."
  }
}
