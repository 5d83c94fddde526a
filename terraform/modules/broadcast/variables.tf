variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "settings" {
  description = "Number of shard queues that share a broadcast's chunks; number of further shard queues that get nothing new and are read until they are empty; number of concurrent workers of each; largest number of connections in a chunk; largest number of recipients of a small broadcast, which takes the short path, null: as many as a chunk has and a lane posts at once, 0: none is small; number of partition keys over which a broadcast's rows are spread, 1 while a release that knows only one key is running, too; how many invocations of query find recipients at the same time, each of which writes about 200 units a second into the table of broadcasts; and seconds after publishing in which a broadcast is delivered or settled as failed."
  type = object({
    shards             = optional(object({ count = optional(number, 2), draining = optional(number, 0), concurrency = optional(number, 2) }), {})
    chunk_size         = optional(number, 500)
    express_recipients = optional(number)
    keys               = optional(number, 16)
    query_concurrency  = optional(number, 8)
    lifetime_seconds   = optional(number, 300)
  })
  default = {}

  validation {
    condition     = var.settings.shards.count >= 1 && floor(var.settings.shards.count) == var.settings.shards.count
    error_message = "broadcast.shards.count must be a whole number from 1."
  }
  validation {
    condition     = var.settings.shards.draining >= 0 && floor(var.settings.shards.draining) == var.settings.shards.draining
    error_message = "broadcast.shards.draining must be a whole number from 0."
  }
  validation {
    condition     = var.settings.shards.count + var.settings.shards.draining <= 32
    error_message = "broadcast.shards.count and draining must be at most 32 together: query's environment, of 4 KB, has the URLs of all."
  }
  validation {
    condition     = var.settings.shards.concurrency >= 2 && var.settings.shards.concurrency <= 1000
    error_message = "broadcast.shards.concurrency must be from 2 to 1000: AWS allows a mapping no less and no more."
  }
  validation {
    condition     = (var.settings.shards.count + var.settings.shards.draining) * var.settings.shards.concurrency <= var.quota.posts_per_second * var.quota.headroom * (1 - var.quota.rooms - var.quota.express)
    error_message = "broadcast.shards: count and draining, times concurrency, must leave each lane at least one post per second of the quota."
  }
  validation {
    condition     = var.settings.chunk_size >= 1 && var.settings.chunk_size <= 500
    error_message = "broadcast.chunk_size must be from 1 to 500: beside 128 KB of data no more ids fit into 256 KiB."
  }
  validation {
    condition     = var.settings.express_recipients == null ? true : var.settings.express_recipients >= 0 && var.settings.express_recipients <= 500 && floor(var.settings.express_recipients) == var.settings.express_recipients
    error_message = "broadcast.express_recipients must be null or a whole number from 0 to 500, which fit into one chunk."
  }
  validation {
    condition     = var.settings.express_recipients == null ? true : var.settings.express_recipients <= floor(var.quota.burst / 10)
    error_message = "broadcast.express_recipients must be at most a tenth of quota.burst, which an express lane posts at once."
  }
  validation {
    condition     = var.settings.keys >= 1 && var.settings.keys <= 64 && floor(var.settings.keys) == var.settings.keys
    error_message = "broadcast.keys must be a whole number from 1 to 64."
  }
  validation {
    condition     = var.settings.query_concurrency >= 2 && var.settings.query_concurrency <= 1000
    error_message = "broadcast.query_concurrency must be from 2 to 1000: AWS allows a mapping no less and no more."
  }
  validation {
    condition     = var.settings.lifetime_seconds >= 10 && var.settings.lifetime_seconds <= 3600
    error_message = "broadcast.lifetime_seconds must be from 10 to 3600."
  }
}

variable "functions" {
  description = "Timeout, memory and concurrency of `publish`, `swarm`, `query`, `post_message`, `post_message-rooms`, `post_message-express` and `settle`: see the stack `hub`."
  type        = any

  # A message is invisible for six timeouts when its function was killed. It must be delivered again before the
  # broadcast expires.
  validation {
    condition     = alltrue([for name in local.consumers : 2 * 6 * var.functions[name].timeout < var.settings.lifetime_seconds])
    error_message = "functions: 2 x 6 x the timeout of swarm, query, post_message, post_message-rooms, post_message-express and settle must be less than broadcast.lifetime_seconds: a broadcast whose function was killed is then repeated in time."
  }
  validation {
    condition     = alltrue([for name in ["post_message", "post_message-rooms", "post_message-express"] : var.functions[name].timeout <= 10])
    error_message = "functions: post_message, post_message-rooms and post_message-express must have a timeout of at most 10 seconds: the remaining connections of a chunk then go back to the queue."
  }
  # A mapping that is throttled by its function leaves lanes empty, each of which has its part of the quota.
  validation {
    condition     = var.functions.post_message.reserved == null ? true : var.functions.post_message.reserved >= (var.settings.shards.count + var.settings.shards.draining) * var.settings.shards.concurrency
    error_message = "functions: post_message must have reserved at least the number of its lanes, (broadcast.shards.count + broadcast.shards.draining) x broadcast.shards.concurrency."
  }
  validation {
    condition     = alltrue([for name, workers in { rooms = 2, express = 4 } : var.functions["post_message-${name}"].reserved == null ? true : var.functions["post_message-${name}"].reserved >= workers])
    error_message = "functions: post_message-rooms must have reserved at least 2, and post_message-express 4: their queues call them that often at the same time."
  }
}

variable "cells" {
  description = "The further cells of a hub: account, external id and Region by name; and all that is declared of them as functions read it; null: there are none."
  type = object({
    declared = map(object({ account_id = string, external_id = string, region = string }))
    json     = string
  })
  default = null
}

variable "hub" {
  description = "The hub as a further cell knows it: the output `cells` of the stack `hub`, under the cell's name; null: this is the hub."
  type = object({
    name       = string
    region     = string
    hub_region = string
    role       = object({ arn = string, external_id = string })
    topic_arn  = string
    tables     = object({ broadcasts = string })
  })
  default = null
}

variable "control_plane" {
  description = "True in the hub, whose `publish` accepts broadcasts."
  type        = bool
  default     = true
}

variable "quota" {
  description = "The account's API Gateway quota: requests per second and bucket; the share of the rate that posts may use; and the shares of these posts that large rooms and small broadcasts have while others are posted."
  type        = object({ posts_per_second = number, burst = number, headroom = number, rooms = number, express = number })
}

variable "subscribers" {
  description = "Other accounts whose post_message works for this cell, by name: shards are numbers from 0; the cell reads unclaimed shards itself, and also reads those of a shared subscriber."
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
    error_message = "subscribers: each must claim at least one shard; remove a subscriber without shards from the map."
  }
  validation {
    condition = alltrue([
      for shard in flatten([for subscriber in var.subscribers : tolist(subscriber.shards)]) : contains(range(var.settings.shards.count), shard)
    ])
    error_message = "subscribers: shards must be whole numbers from 0 to ${var.settings.shards.count - 1}, since broadcast.shards.count is ${var.settings.shards.count}."
  }
  validation {
    condition     = length(setunion([], values(var.subscribers)[*].shards...)) == length(flatten([for subscriber in var.subscribers : tolist(subscriber.shards)]))
    error_message = "subscribers: a shard must be claimed by one subscriber at most."
  }
}

variable "leave_queue" {
  description = "URL and ARN of the queue of ends of subscriptions."
  type        = object({ url = string, arn = string })
}

variable "tables" {
  description = "Name and ARN of the tables of other capabilities, and the ARN of the index of connections by room."
  type = object({
    connections = object({ name = string, arn = string, by_room_arn = string })
    devices     = object({ name = string, arn = string })
    partitions  = object({ name = string, arn = string })
    members     = object({ name = string, arn = string })
    audiences   = object({ name = string, arn = string })
    sessions    = object({ name = string, arn = string })
    tenants     = object({ name = string, arn = string })
    cells       = optional(object({ name = string, arn = string }))
    placements  = optional(object({ name = string, arn = string }))
  })
}

variable "websocket_api" {
  description = "Endpoint that posts go to, and what posting and closing are allowed on: outputs of the module `websocket_api`."
  type        = object({ callback_endpoint = string, post_arn = string, close_arn = string })
}

variable "max_receive_count" {
  description = "Number of tries before a message is given up; twice as many for broadcasts and sources, which are delivered again soon."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 500
    error_message = "max_receive_count must be from 5 to 500: Lambda's pollers alone can receive a message a few times."
  }
}
