variable "hub" {
  description = "The hub's description of itself for this cell: its output `cells`, under the cell's name. account_id is the cell's; the provider refuses to work in any other."
  type = object({
    name                     = string
    prefix                   = string
    environment              = string
    region                   = string
    account_id               = string
    hub_region               = string
    hub_account_id           = string
    role                     = object({ arn = string, external_id = string })
    topic_arn                = string
    tables                   = object({ broadcasts = string, cells = string, tenants = string })
    weights                  = map(number)
    placement                = object({ home_connections = number, beat_seconds = number, lease_seconds = number })
    messages                 = optional(object({ role_arn = string, queue_url = string, placements_table = string }))
    message_lifetime_seconds = number
    permissions_boundary     = optional(string)
  })

  validation {
    condition     = can(regex("^[0-9]{12}$", var.hub.account_id)) && var.hub.account_id != var.hub.hub_account_id
    error_message = "hub.account_id must be 12 digits, and not the hub's: the hub has a cell of its own."
  }
  validation {
    condition     = contains(keys(var.hub.weights), var.hub.name)
    error_message = "hub.weights must have a weight for ${var.hub.name}."
  }
}

variable "region" {
  description = "The cell's AWS Region: the one that the hub's map says."
  type        = string

  validation {
    condition     = var.region == var.hub.region
    error_message = "region must be the one in the hub's map, ${var.hub.region}: the topic lets the queue there be subscribed."
  }
}

variable "package" {
  description = "Code of the functions: see the module `package`."
  type        = any
}

variable "deployment" {
  description = "Processor, logs and traces of the functions: `settings` of the module `deployment`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.deployment), ["architecture", "before_channels", "former_release", "log_level", "log_retention_days", "tracing"])) == 0
    error_message = "deployment has the settings architecture, before_channels, former_release, log_level, log_retention_days and tracing, and no others."
  }
}

variable "api_gateway_account" {
  description = "True if this stack sets the role with which API Gateway writes logs: an account has one in a Region. False: another stack has set it."
  type        = bool
  default     = true
}

variable "deletion_protection" {
  description = "AWS refuses to delete the tables while this is on; it can be off in `local` only."
  type        = bool
  default     = true
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that is notified of alarms; null, only in the environment local: none is."
  type        = string
  default     = null
}

variable "quota" {
  description = "The account's API Gateway quota: requests per second and bucket; the share of the rate that posts may use, and the shares of these posts that large rooms and small broadcasts have: see the stack `hub`."
  type = object({
    posts_per_second = optional(number, 10000)
    burst            = optional(number, 5000)
    headroom         = optional(number, 0.98)
    rooms            = optional(number, 0.1)
    express          = optional(number, 0.05)
  })
  default = {}

  validation {
    condition     = alltrue([for value in [var.quota.posts_per_second, var.quota.burst] : value == null ? true : value >= 1])
    error_message = "quota.posts_per_second and quota.burst must be at least 1."
  }
  validation {
    condition     = var.quota.headroom > 0 && var.quota.headroom <= 1
    error_message = "quota.headroom must be above 0 and at most 1."
  }
  validation {
    condition     = var.quota.rooms >= 0.01 && var.quota.rooms <= 0.5
    error_message = "quota.rooms must be from 0.01 to 0.5."
  }
  validation {
    condition     = var.quota.express >= 0.01 && var.quota.express <= 0.25
    error_message = "quota.express must be from 0.01 to 0.25."
  }
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute: see the stack `hub`."
  type        = number
  default     = 0.25

  validation {
    condition     = var.session_share >= 0.01 && var.session_share <= 1
    error_message = "session_share must be from 0.01 to 1."
  }
}

variable "broadcast" {
  description = "Shards, chunks and keys of broadcasts: `settings` of the module `broadcast`. Their lifetime is the hub's."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.broadcast), ["shards", "chunk_size", "keys", "query_concurrency"])) == 0
    error_message = "broadcast has the settings shards, chunk_size, keys and query_concurrency, and no others."
  }
}

variable "connections" {
  description = "Partitions and counting of connections: `settings` of the module `connections`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.connections), ["connections_per_partition", "max_partitions", "accounting_window"])) == 0
    error_message = "connections has the settings connections_per_partition, max_partitions and accounting_window, and no others."
  }
}

variable "messaging" {
  description = "Silos and inboxes: `settings` of the module `messaging`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.messaging), ["silo_tenants", "inbox_lifetime_seconds", "messages_per_inbox"])) == 0
    error_message = "messaging has the settings silo_tenants, inbox_lifetime_seconds and messages_per_inbox, and no others."
  }
}

variable "gateway_endpoint" {
  description = "URL of the local stand-in for API Gateway's WebSocket data plane, such as http://127.0.0.1:8001; null in AWS."
  type        = string
  default     = null

  validation {
    condition     = (var.gateway_endpoint == null) == (var.hub.environment != "local")
    error_message = "gateway_endpoint must be set in the environment local, and only there."
  }
}
