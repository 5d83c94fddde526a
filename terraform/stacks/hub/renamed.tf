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

variable "shards" {
  description = "Removed: set broadcast.shards."
  type        = any
  default     = null

  validation {
    condition     = var.shards == null
    error_message = "shards is no variable any more: set broadcast.shards."
  }
}

variable "chunk_size" {
  description = "Removed: set broadcast.chunk_size."
  type        = any
  default     = null

  validation {
    condition     = var.chunk_size == null
    error_message = "chunk_size is no variable any more: set broadcast.chunk_size."
  }
}

variable "broadcast_keys" {
  description = "Removed: set broadcast.keys."
  type        = any
  default     = null

  validation {
    condition     = var.broadcast_keys == null
    error_message = "broadcast_keys is no variable any more: set broadcast.keys."
  }
}

variable "query_concurrency" {
  description = "Removed: set broadcast.query_concurrency."
  type        = any
  default     = null

  validation {
    condition     = var.query_concurrency == null
    error_message = "query_concurrency is no variable any more: set broadcast.query_concurrency."
  }
}

variable "message_lifetime_seconds" {
  description = "Removed: set broadcast.lifetime_seconds."
  type        = any
  default     = null

  validation {
    condition     = var.message_lifetime_seconds == null
    error_message = "message_lifetime_seconds is no variable any more: set broadcast.lifetime_seconds."
  }
}

variable "partitions" {
  description = "Removed: set connections.connections_per_partition and connections.max_partitions."
  type        = any
  default     = null

  validation {
    condition     = var.partitions == null
    error_message = "partitions is no variable any more: set connections.connections_per_partition and connections.max_partitions."
  }
}

variable "accounting_window" {
  description = "Removed: set connections.accounting_window."
  type        = any
  default     = null

  validation {
    condition     = var.accounting_window == null
    error_message = "accounting_window is no variable any more: set connections.accounting_window."
  }
}

variable "silo_tenants" {
  description = "Removed: set messaging.silo_tenants."
  type        = any
  default     = null

  validation {
    condition     = var.silo_tenants == null
    error_message = "silo_tenants is no variable any more: set messaging.silo_tenants."
  }
}

variable "inbox_lifetime_seconds" {
  description = "Removed: set messaging.inbox_lifetime_seconds."
  type        = any
  default     = null

  validation {
    condition     = var.inbox_lifetime_seconds == null
    error_message = "inbox_lifetime_seconds is no variable any more: set messaging.inbox_lifetime_seconds."
  }
}

variable "messages_per_inbox" {
  description = "Removed: set messaging.messages_per_inbox."
  type        = any
  default     = null

  validation {
    condition     = var.messages_per_inbox == null
    error_message = "messages_per_inbox is no variable any more: set messaging.messages_per_inbox."
  }
}

variable "cors_origins" {
  description = "Removed: set http_api.cors_origins."
  type        = any
  default     = null

  validation {
    condition     = var.cors_origins == null
    error_message = "cors_origins is no variable any more: set http_api.cors_origins."
  }
}

variable "http_throttle" {
  description = "Removed: set http_api.throttle."
  type        = any
  default     = null

  validation {
    condition     = var.http_throttle == null
    error_message = "http_throttle is no variable any more: set http_api.throttle."
  }
}

variable "timeouts" {
  description = "Removed: set timeout in functions, by function."
  type        = any
  default     = null

  validation {
    condition     = var.timeouts == null
    error_message = "timeouts is no variable any more: set timeout in functions, by function."
  }
}

variable "memory" {
  description = "Removed: set memory in functions, by function."
  type        = any
  default     = null

  validation {
    condition     = var.memory == null
    error_message = "memory is no variable any more: set memory in functions, by function."
  }
}

variable "reserved_concurrency" {
  description = "Removed: set reserved in functions, by function."
  type        = any
  default     = null

  validation {
    condition     = var.reserved_concurrency == null
    error_message = "reserved_concurrency is no variable any more: set reserved in functions, by function."
  }
}

variable "provisioned_concurrency" {
  description = "Removed: set provisioned in functions, by function."
  type        = any
  default     = null

  validation {
    condition     = var.provisioned_concurrency == null
    error_message = "provisioned_concurrency is no variable any more: set provisioned in functions, by function."
  }
}
