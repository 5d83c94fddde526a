variable "environment" {
  description = "The environment, such as dev; `local` is the one on a developer's machine."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "environment must be 2 to 16 lowercase letters, digits and dashes, beginning with a letter."
  }
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

  validation {
    condition     = var.prefix == null ? true : can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "package" {
  description = "What the functions run: the image, by digest, or locally a zip and the base64 of its SHA-256."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ path = string, hash = string }))
  })

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

variable "architecture" {
  description = "The functions' processor: arm64 or x86_64, as the image was built for."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "architecture must be arm64 or x86_64."
  }
}

variable "log_level" {
  description = "Least severe level that functions log: DEBUG or INFO."
  type        = string
  default     = "INFO"

  validation {
    condition     = contains(["DEBUG", "INFO"], var.log_level)
    error_message = "log_level must be DEBUG or INFO: at a higher level Lambda drops the metrics."
  }
}

variable "log_retention_days" {
  description = "Days that logs are kept."
  type        = number
  default     = 30

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365, 400], var.log_retention_days)
    error_message = "log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365 or 400."
  }
}

variable "api_gateway_account" {
  description = "Whether this stack sets the role that API Gateway writes logs in: an account has one in a Region. False: another stack has set it."
  type        = bool
  default     = true
}

variable "tracing" {
  description = "Functions send traces to X-Ray, which asks for more than Lambda does."
  type        = bool
  default     = false
}

variable "deletion_protection" {
  description = "AWS refuses to delete the tables while this is on; it can be off in `local` only."
  type        = bool
  default     = true

  validation {
    condition     = var.deletion_protection || var.environment == "local"
    error_message = "deletion_protection must be true outside the environment local."
  }
}

variable "partitions" {
  description = "How many connections a partition is meant to hold, and how many partitions a tenant has at most."
  type = object({
    connections_per_partition = optional(number, 1000)
    max_partitions            = optional(number, 2500)
  })
  default = {}
}

variable "quota" {
  description = "The account's API Gateway quota: requests per second and bucket, by default those of its Region; the share of the rate that posts may use, and the share of those that large rooms have while broadcasts are posted."
  type = object({
    posts_per_second = optional(number)
    burst            = optional(number)
    headroom         = optional(number, 0.98)
    rooms            = optional(number, 0.1)
  })
  default = {}
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute: of attempts to connect, messages to the silo and the pool, and posts to rooms."
  type        = number
  default     = 0.25
}

variable "silo_tenants" {
  description = "Ids of the tenants that have a queue and a consumer of their own for frames that are handled in order."
  type        = set(string)
  default     = []
}

variable "shards" {
  description = "How many shard queues share the chunks of a broadcast, and how many workers each has at once."
  type        = object({ count = optional(number, 2), concurrency = optional(number, 2) })
  default     = {}
}

variable "subscribers" {
  description = "Other accounts whose post_message works for this cell, by name: shards are numbers from 0; those that nobody claims the cell reads itself. shared: the cell reads them too, while the stack `subscriber` is put up, down, or is out of order."
  type = map(object({
    account_id  = string
    external_id = string
    shards      = set(number)
    shared      = optional(bool, false)
  }))
  default = {}

  validation {
    condition     = !contains(values(var.subscribers)[*].account_id, var.account_id)
    error_message = "subscribers: account_id must be another account than the hub's, ${var.account_id}: what nobody claims the hub posts itself."
  }
}

variable "chunk_size" {
  description = "Connections in one chunk message at most."
  type        = number
  default     = 500
}

variable "broadcast_keys" {
  description = "How many partition keys the rows of a broadcast are spread over: see docs/configuration.md."
  type        = number
  default     = 16
}

variable "query_concurrency" {
  description = "How many invocations of query find recipients at the same time."
  type        = number
  default     = 8
}

variable "message_lifetime_seconds" {
  description = "Seconds after publishing in which a broadcast is delivered or settled as failed."
  type        = number
  default     = 300
}

variable "inbox_lifetime_seconds" {
  description = "Seconds that a direct message waits for its receiver."
  type        = number
  default     = 604800
}

variable "messages_per_inbox" {
  description = "Direct messages that wait in one inbox at most; who sends another one is told that it is full."
  type        = number
  default     = 1000
}

variable "accounting_window" {
  description = "Seconds that changes of connections are gathered before they are counted."
  type        = number
  default     = 1
}

variable "timeouts" {
  description = "Timeouts in seconds that differ from the defaults, by function of the cell."
  type        = map(number)
  default     = {}
}

variable "memory" {
  description = "Memory in MB that differs from the defaults, by function of the cell."
  type        = map(number)
  default     = {}
}

variable "lambda_concurrency" {
  description = "The account's quota of concurrent executions of Lambda, L-B99A9384: new accounts may have less than 1,000."
  type        = number
  default     = 1000

  validation {
    condition     = var.lambda_concurrency >= 10
    error_message = "lambda_concurrency must be at least 10, which the smallest account has."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for a function, by function: post_message for the shards, post_message-rooms for large rooms."
  type        = map(number)
  default     = {}

  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
  validation {
    condition     = length(var.reserved_concurrency) == 0 ? true : sum(values(var.reserved_concurrency)) <= var.lambda_concurrency - 100
    error_message = "reserved_concurrency must leave 100 of lambda_concurrency to all other functions: AWS refuses to reserve more."
  }
}

variable "provisioned_concurrency" {
  description = "Execution environments kept warm for a spike that is known beforehand, by function."
  type        = map(number)
  default     = {}
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
}

variable "cors_origins" {
  description = "Origins whose pages may call the HTTP API; empty: none."
  type        = set(string)
  default     = []
}

variable "http_throttle" {
  description = "Requests per second, and bucket, of each route of the HTTP API."
  type        = object({ rate = optional(number, 500), burst = optional(number, 500) })
  default     = {}
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, to everyone who may call it: for demonstrations."
  type        = bool
  default     = false
}

variable "console" {
  description = "Whether GET / of the HTTP API serves the web page, to everyone; its calls ask who is calling all the same."
  type        = object({ enabled = optional(bool, false) })
  default     = {}
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are told to; null, in the environment local alone: nobody is told."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn != null || var.environment == "local"
    error_message = "alarm_topic_arn must be set outside the environment local: nobody would hear of an alarm."
  }
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
