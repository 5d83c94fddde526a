variable "environment" {
  description = "The environment, such as dev; `local` is the one on a developer's machine."
  type        = string
}

variable "account_id" {
  description = "The hub's AWS account; the provider refuses to work in any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "region" {
  description = "The hub's AWS Region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a Region's name, such as us-east-1."
  }
}

variable "prefix" {
  description = "Beginning of every name; null: loudhailer-<environment>."
  type        = string
  default     = null
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

variable "permissions_boundary" {
  description = "ARN of the policy that bounds every role, the registry stack's; null: none does, and CI cannot apply."
  type        = string
  default     = null

  validation {
    condition     = var.permissions_boundary == null ? true : can(regex("^arn:aws[a-z-]*:iam::${var.account_id}:policy/", var.permissions_boundary))
    error_message = "permissions_boundary must be the ARN of a policy in account_id, as in arn:aws:iam::<account_id>:policy/<name>."
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
  description = "The account's API Gateway quota: requests per second and bucket, by default those of its Region; the share of the rate that posts may use; and the shares of these posts that large rooms and small broadcasts have."
  type = object({
    posts_per_second = optional(number)
    burst            = optional(number)
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

variable "connects" {
  description = "Admission of clients: new connections that API Gateway lets into the account of each cell in a second, unless `cells` has another number for it; 0: nobody waits. The reserve is the part of them for newcomers, the first clients of each tenant in a minute, however long others wait."
  type = object({
    per_second = optional(number, 500)
    reserve    = optional(number, 0.03)
  })
  default = {}

  validation {
    condition     = var.connects.per_second >= 0 && var.connects.per_second <= 100000
    error_message = "connects.per_second must be from 0, which lets in everyone at once, to 100000."
  }
  validation {
    condition     = var.connects.reserve >= 0.01 && var.connects.reserve <= 0.5
    error_message = "connects.reserve must be from 0.01 to 0.5."
  }
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute: of attempts to connect, messages to the silo and the pool, and posts to rooms."
  type        = number
  default     = 0.25

  validation {
    condition     = var.session_share >= 0.01 && var.session_share <= 1
    error_message = "session_share must be from 0.01 to 1."
  }
}

variable "broadcast" {
  description = "Shards, chunks, keys and lifetime of broadcasts: `settings` of the module `broadcast`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.broadcast), ["shards", "chunk_size", "express_recipients", "keys", "query_concurrency", "lifetime_seconds"])) == 0
    error_message = "broadcast has the settings shards, chunk_size, express_recipients, keys, query_concurrency and lifetime_seconds, and no others."
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

variable "subscribers" {
  description = "Other accounts whose post_message works for this cell, by name: see the module `broadcast`. shared: the cell reads their shards too, while the stack `subscriber` is put up, down, or is out of order."
  type        = any
  default     = {}

  validation {
    condition     = !contains([for subscriber in var.subscribers : subscriber.account_id], var.account_id)
    error_message = "subscribers: account_id must be another account than the hub's, ${var.account_id}: what nobody claims the hub posts itself."
  }
}

variable "http_api" {
  description = "Origins of pages, and throttle, of the HTTP API: `settings` of the module `http_api`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.http_api), ["cors_origins", "throttle"])) == 0
    error_message = "http_api has the settings cors_origins and throttle, and no others."
  }
}

variable "auth" {
  description = "Authorisation of the routes of broadcasts and of sessions: none (in `local`), iam or jwt."
  type        = object({ broadcast = optional(string, "iam"), session = optional(string, "iam") })
  default     = {}
}

variable "jwt" {
  description = "Issuer and audience of the tokens for auth jwt; the claim with the id of the tenant whose sessions a token may open; and the scope that a token needs to broadcast."
  type        = object({ issuer = string, audience = list(string), tenant_claim = string, broadcast_scope = string })
  default     = null

  validation {
    condition     = var.jwt == null ? true : can(regex("^[A-Za-z0-9_.:/-]{1,128}$", var.jwt.tenant_claim))
    error_message = "jwt.tenant_claim must be the name of a claim: 1 to 128 letters, digits and _ . : / -, as in custom:tenantId."
  }
  validation {
    condition     = var.jwt == null ? true : can(regex("^[!#-\\[\\]-~]{1,64}$", var.jwt.broadcast_scope))
    error_message = "jwt.broadcast_scope must be one scope: 1 to 64 printable ASCII characters without space, quote or backslash, as in loudhailer/broadcast."
  }
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, to everyone who may call it: for demonstrations."
  type        = bool
  default     = false
}

variable "console" {
  description = "True if GET / of the HTTP API serves the web page, to everyone; the routes that it calls keep their authorisation."
  type        = object({ enabled = optional(bool, false) })
  default     = {}
}

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null

  validation {
    condition     = (var.aws_endpoint == null) == (var.environment != "local")
    error_message = "aws_endpoint must be set in the environment local, and only there."
  }
}

variable "gateway_endpoint" {
  description = "URL of the local stand-in for API Gateway's WebSocket data plane, such as http://127.0.0.1:8001; null in AWS."
  type        = string
  default     = null

  validation {
    condition     = (var.gateway_endpoint == null) == (var.environment != "local")
    error_message = "gateway_endpoint must be set in the environment local, and only there."
  }
}
