variable "prefix" {
  description = "Beginning of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "deletion_protection" {
  description = "AWS refuses to delete the table while this is on."
  type        = bool
  default     = true
}

variable "shards" {
  description = "How many shard queues share the chunks of a broadcast, and how many workers each has at once."
  type        = object({ count = number, concurrency = optional(number, 2) })

  validation {
    condition     = var.shards.count >= 1 && var.shards.count <= 32 && floor(var.shards.count) == var.shards.count
    error_message = "shards.count must be a whole number from 1 to 32: query's environment, of 4 KB, has the URLs of all."
  }
  validation {
    condition     = var.shards.concurrency >= 2 && var.shards.concurrency <= 1000
    error_message = "shards.concurrency must be from 2 to 1000: AWS allows a mapping no less and no more."
  }
}

variable "subscribers" {
  description = "Who reads shards from another account: the ARN of its function's role, its shards by number, and whether the cell reads them too."
  type        = map(object({ function_role_arn = string, shards = set(number), shared = optional(bool, false) }))
  default     = {}
}

variable "publisher_role_arns" {
  description = "ARNs of the roles that may put a broadcast on the topic, by their paths and names: they may not be there yet."
  type        = list(string)

  validation {
    condition     = length(var.publisher_role_arns) > 0
    error_message = "publisher_role_arns must name at least one."
  }
  validation {
    condition     = alltrue([for arn in var.publisher_role_arns : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/[A-Za-z0-9/_-]+$", arn))])
    error_message = "publisher_role_arns must be ARNs of roles, without wildcards."
  }
}

variable "consumers" {
  description = "ARNs of the aliases that read the queues: `swarm`, `query`, `post_message`, `rooms` (what posts for large rooms) and `settle`."
  type        = object({ swarm = string, query = string, post_message = string, rooms = string, settle = string })

  validation {
    condition     = alltrue([for arn in values(var.consumers) : can(regex("^arn:[a-z-]+:lambda:", arn))])
    error_message = "consumers must be ARNs of Lambda aliases."
  }
}

# Not a part of `consumers`: the queues would wait for the functions, which wait for the queues.
variable "timeouts" {
  description = "Timeouts of those functions in seconds; a message is invisible for six times as long."
  type        = object({ swarm = number, query = number, post_message = number, settle = number })

  validation {
    condition     = alltrue([for timeout in values(var.timeouts) : timeout >= 1 && timeout <= 900])
    error_message = "timeouts must be from 1 to 900 seconds."
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

variable "max_receive_count" {
  description = "How often a message is tried before it is given up; broadcasts and sources, which come again soon, twice as often."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 500
    error_message = "max_receive_count must be from 5 to 500: Lambda's pollers alone can receive a message a few times."
  }
}
