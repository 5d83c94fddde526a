variable "package" {
  description = "What the functions run: see the module lambda_function."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ bucket = string, key = string, hash = string }))
  })
}

variable "deployment" {
  description = "What all functions share: see the module lambda_function."
  type = object({
    prefix             = string
    environment        = string
    architecture       = optional(string, "arm64")
    log_level          = optional(string, "INFO")
    log_retention_days = optional(number, 30)
    tracing            = optional(bool, false)

    permissions_boundary = optional(string)
  })
}

variable "tables" {
  description = "Name and ARN of the hub's tables."
  type = object({
    tenants    = object({ name = string, arn = string })
    sessions   = object({ name = string, arn = string })
    places     = object({ name = string, arn = string })
    broadcasts = object({ name = string, arn = string })
  })
}

variable "topic_arn" {
  description = "ARN of the topic a broadcast is put on."
  type        = string

  validation {
    condition     = can(regex("^arn:[a-z-]+:sns:", var.topic_arn))
    error_message = "topic_arn must be the ARN of an SNS topic."
  }
}

variable "websocket_url" {
  description = "URL that the session API tells clients to connect to."
  type        = string

  validation {
    condition     = can(regex("^wss?://", var.websocket_url))
    error_message = "websocket_url must begin with wss:// (or ws://, locally)."
  }
}

variable "auth" {
  description = "Who may call the routes of broadcasts, and those of sessions: none (in `local`), iam or jwt."
  type        = object({ broadcast = optional(string, "iam"), session = optional(string, "iam") })
  default     = {}
}

variable "jwt" {
  description = "Who issues the tokens for auth jwt, and for whom; the claim that says whose sessions a token opens, a tenant's id; and the scope that a token must have to broadcast."
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

variable "cors_origins" {
  description = "Origins whose pages may call the HTTP API; empty: none."
  type        = set(string)
  default     = []
}

variable "throttle" {
  description = "Requests per second, and bucket, of each route of the HTTP API: they share the account's quota with posts."
  type        = object({ rate = optional(number, 500), burst = optional(number, 500) })
  default     = {}
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, to everyone who may call it: for demonstrations."
  type        = bool
  default     = false
}

variable "silo_tenants" {
  description = "Ids of the tenants that have a queue of their own: GET /tenant says so of them."
  type        = set(string)
  default     = []
}

variable "console" {
  description = "Whether GET / serves the web page, to everyone; what the page calls asks who is calling all the same."
  type        = object({ enabled = optional(bool, false) })
  default     = {}
}

variable "broadcast_keys" {
  description = "How many partition keys the rows of a broadcast are spread over; 1 while a release that knows of one alone runs beside."
  type        = number
  default     = 16

  validation {
    condition     = var.broadcast_keys >= 1 && var.broadcast_keys <= 64 && floor(var.broadcast_keys) == var.broadcast_keys
    error_message = "broadcast_keys must be a whole number from 1 to 64."
  }
}

variable "message_lifetime_seconds" {
  description = "Seconds after publishing in which a broadcast is delivered or settled as failed."
  type        = number
  default     = 300

  validation {
    condition     = var.message_lifetime_seconds >= 10 && var.message_lifetime_seconds <= 3600
    error_message = "message_lifetime_seconds must be from 10 to 3600."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for `console`, `publish` or `session_api`, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.reserved_concurrency), ["console", "publish", "session_api"])) == 0
    error_message = "reserved_concurrency: the keys must be console, publish and session_api."
  }
}

variable "provisioned_concurrency" {
  description = "Execution environments kept warm for a spike that is known beforehand, of `console`, `publish` or `session_api`, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.provisioned_concurrency), ["console", "publish", "session_api"])) == 0
    error_message = "provisioned_concurrency: the keys must be console, publish and session_api."
  }
}

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are told to: see the module alarm."
  type        = string
  default     = null
}
