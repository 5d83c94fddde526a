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

variable "deletion_protection" {
  description = "AWS refuses to delete the tables while this is on."
  type        = bool
  default     = true
}

variable "partitions" {
  description = "How many connections a partition is meant to hold, and how many partitions a tenant has at most."
  type = object({
    connections_per_partition = optional(number, 1000)
    max_partitions            = optional(number, 2500)
  })
  default = {}

  validation {
    condition     = var.partitions.connections_per_partition >= 1 && var.partitions.connections_per_partition <= 10000
    error_message = "partitions.connections_per_partition must be from 1 to 10000."
  }
  validation {
    condition     = var.partitions.max_partitions >= 1 && var.partitions.max_partitions <= 99999
    error_message = "partitions.max_partitions must be from 1 to 99999: a partition's number has five digits."
  }
}

variable "quota" {
  description = "The account's API Gateway quota: requests per second, bucket, the share of the rate that posts may use, and the share of those that large rooms have while broadcasts are posted."
  type = object({
    posts_per_second = optional(number, 10000)
    burst            = optional(number, 5000)
    headroom         = optional(number, 0.98)
    rooms            = optional(number, 0.1)
  })
  default = {}

  validation {
    condition     = var.quota.posts_per_second >= 1 && var.quota.burst >= 1
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

variable "silo_tenants" {
  description = "Ids of the tenants that have a queue and a consumer of their own for frames that are handled in order."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for tenant in var.silo_tenants : length("${var.deployment.prefix}-echo-${tenant}-tenant") <= 64])
    error_message = "silo_tenants: a consumer's role, <prefix>-echo-<tenant>-tenant, must not have a name of more than 64 characters."
  }
}

variable "shards" {
  description = "How many shard queues share the chunks of a broadcast, and how many workers each has at once."
  type        = object({ count = optional(number, 2), concurrency = optional(number, 2) })
  default     = {}

  validation {
    condition     = var.shards.count * var.shards.concurrency <= var.quota.posts_per_second * var.quota.headroom * (1 - var.quota.rooms)
    error_message = "shards.count times shards.concurrency must leave each lane at least one post per second of the quota."
  }
}

variable "subscribers" {
  description = "Other accounts whose post_message works for this cell, by name: shards are numbers from 0; those that nobody claims the cell reads itself, and those of a shared subscriber it reads too."
  type = map(object({
    account_id  = string
    external_id = string
    shards      = set(number)
    shared      = optional(bool, false)
  }))
  default = {}

  validation {
    condition     = alltrue([for name in keys(var.subscribers) : can(regex("^[a-z][a-z0-9-]{0,15}$", name))])
    error_message = "subscribers: a name must be 1 to 16 lowercase letters, digits and dashes, beginning with a letter."
  }
  validation {
    condition     = alltrue([for subscriber in var.subscribers : can(regex("^[0-9]{12}$", subscriber.account_id))])
    error_message = "subscribers: account_id must be 12 digits."
  }
  validation {
    condition     = length(distinct(values(var.subscribers)[*].account_id)) == length(var.subscribers)
    error_message = "subscribers: each must have an account_id of its own; one account takes several shards as one subscriber."
  }
  # https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
  validation {
    condition     = alltrue([for id in values(var.subscribers)[*].external_id : can(regex("^[A-Za-z0-9_+=,.@:/-]{2,}$", id)) && length(id) <= 1224])
    error_message = "subscribers: external_id must be 2 to 1224 letters, digits and characters of _+=,.@:/-."
  }
  validation {
    condition     = alltrue([for subscriber in var.subscribers : length(subscriber.shards) > 0])
    error_message = "subscribers: each must claim at least one shard; take out of the map whoever is to have none."
  }
  validation {
    condition = alltrue([
      for shard in flatten([for subscriber in var.subscribers : tolist(subscriber.shards)]) : contains(range(var.shards.count), shard)
    ])
    error_message = "subscribers: shards must be whole numbers from 0 to ${var.shards.count - 1}, since shards.count is ${var.shards.count}."
  }
  validation {
    condition     = length(setunion([], values(var.subscribers)[*].shards...)) == length(flatten([for subscriber in var.subscribers : tolist(subscriber.shards)]))
    error_message = "subscribers: a shard must be claimed by one subscriber at most."
  }
}

variable "chunk_size" {
  description = "Connections in one chunk message at most."
  type        = number
  default     = 500

  validation {
    condition     = var.chunk_size >= 1 && var.chunk_size <= 500
    error_message = "chunk_size must be from 1 to 500: beside 128 KB of data no more ids fit into 256 KiB."
  }
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

variable "query_concurrency" {
  description = "How many invocations of query find recipients at the same time: each writes about 200 units a second into the table of broadcasts."
  type        = number
  default     = 8

  validation {
    condition     = var.query_concurrency >= 2 && var.query_concurrency <= 1000
    error_message = "query_concurrency must be from 2 to 1000: AWS allows a mapping no less and no more."
  }
}

variable "message_lifetime_seconds" {
  description = "Seconds in which what is said in a large room is delivered or settled as failed: see the module control."
  type        = number
  default     = 300

  validation {
    condition     = var.message_lifetime_seconds >= 10 && var.message_lifetime_seconds <= 3600
    error_message = "message_lifetime_seconds must be from 10 to 3600."
  }
}

variable "inbox_lifetime_seconds" {
  description = "Seconds that a direct message waits for its receiver."
  type        = number
  default     = 604800

  validation {
    condition     = var.inbox_lifetime_seconds >= 1 && var.inbox_lifetime_seconds <= 31536000
    error_message = "inbox_lifetime_seconds must be from 1 to 31536000, a year."
  }
}

variable "messages_per_inbox" {
  description = "Direct messages that wait in one inbox at most; who sends another one is told that it is full."
  type        = number
  default     = 1000

  validation {
    condition     = var.messages_per_inbox >= 1 && var.messages_per_inbox <= 1000000
    error_message = "messages_per_inbox must be from 1 to 1000000."
  }
}

variable "accounting_window" {
  description = "Seconds that changes of connections are gathered before they are counted."
  type        = number
  default     = 1

  validation {
    condition     = contains([0, 1, 2, 3, 4, 5], var.accounting_window)
    error_message = "accounting_window must be a whole number of seconds from 0 to 5."
  }
}

variable "timeouts" {
  description = "Timeouts in seconds that differ from the defaults, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.timeouts), keys(local.default_timeouts))) == 0
    error_message = "timeouts: the keys must be names of the cell's functions."
  }
  # A message is invisible for six timeouts when its function was killed. It must come again while anybody may still be sent it.
  validation {
    condition = alltrue([
      for name in ["swarm", "query", "post_message", "settle"] :
      2 * 6 * lookup(var.timeouts, name, local.default_timeouts[name]) < var.message_lifetime_seconds
    ])
    error_message = "timeouts: 2 x 6 x the timeout of swarm, query, post_message and settle must be less than message_lifetime_seconds, so that a broadcast whose function was killed is tried again while it lives."
  }
  validation {
    condition     = lookup(var.timeouts, "post_message", 10) <= 10
    error_message = "timeouts: post_message must have at most 10 seconds; what is left then goes back to its shard."
  }
  validation {
    condition     = lookup(var.timeouts, "send_message", 10) < 15
    error_message = "timeouts: send_message must have less than 15 seconds; then a message is open to its client's next attempt."
  }
}

variable "memory" {
  description = "Memory in MB that differs from the defaults, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.memory), keys(local.default_timeouts))) == 0
    error_message = "memory: the keys must be names of the cell's functions."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for a function, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.reserved_concurrency), local.function_names)) == 0
    error_message = "reserved_concurrency: the keys must be names of the cell's functions, such as post_message and post_message-rooms."
  }
  # A mapping that is throttled by its function leaves lanes empty, each of which has its part of the quota.
  validation {
    condition     = lookup(var.reserved_concurrency, "post_message", var.shards.count * var.shards.concurrency) >= var.shards.count * var.shards.concurrency
    error_message = "reserved_concurrency: post_message must be at least shards.count x shards.concurrency, the number of its lanes."
  }
  # The authorizer is called first: where it is not answered, nobody connects.
  validation {
    condition     = contains(keys(var.reserved_concurrency), "connect") == contains(keys(var.reserved_concurrency), "authorizer")
    error_message = "reserved_concurrency: connect and authorizer must both be reserved or neither: a handshake needs both."
  }
  # The queue of large rooms has two workers, and AWS allows no fewer.
  validation {
    condition     = lookup(var.reserved_concurrency, "post_message-rooms", 2) >= 2
    error_message = "reserved_concurrency: post_message-rooms must be at least 2: its queue calls it that often at the same time."
  }
}

variable "provisioned_concurrency" {
  description = "Execution environments kept warm for a spike that is known beforehand, by function."
  type        = map(number)
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.provisioned_concurrency), local.function_names)) == 0
    error_message = "provisioned_concurrency: the keys must be names of the cell's functions, such as post_message and post_message-rooms."
  }
}

variable "api_gateway_account" {
  description = "Whether this module sets the role that API Gateway writes logs in: see the module websocket_api."
  type        = bool
  default     = true
}

variable "gateway_endpoint" {
  description = "URL of the local stand-in for the data plane, such as http://127.0.0.1:8001; null in AWS."
  type        = string
  default     = null
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are told to: see the module alarm."
  type        = string
  default     = null
}
