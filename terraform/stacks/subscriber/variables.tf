variable "cell" {
  description = "The hub's description of its cell for this subscriber: its output `subscribers`, under the subscriber's name. account_id is the subscriber's; the provider refuses to work in any other."
  type = object({
    prefix                = string
    environment           = string
    region                = string
    account_id            = string
    role                  = object({ arn = string, external_id = string })
    shards                = map(object({ url = string, arn = string }))
    callback_endpoint     = string
    outcome_queue_url     = string
    dead_letter_queue_url = string
    lane_posts_per_second = number
    lane_shares           = map(number)
    lanes_table           = string
    concurrency           = number
    timeout               = number
    permissions_boundary  = optional(string)
  })

  validation {
    condition     = can(regex("^[0-9]{12}$", var.cell.account_id))
    error_message = "cell.account_id must be 12 digits."
  }
  validation {
    condition     = var.cell.permissions_boundary == null ? true : can(regex("^arn:[a-z-]+:iam::${var.cell.account_id}:policy/", var.cell.permissions_boundary))
    error_message = "cell.permissions_boundary must be null or the ARN of a policy in cell.account_id, ${var.cell.account_id}."
  }
  validation {
    condition     = can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", var.cell.role.arn))
    error_message = "cell.role.arn must be the ARN of a role, such as arn:aws:iam::111111111111:role/loudhailer-dev/loudhailer-dev-subscriber-blue."
  }
  validation {
    condition = var.cell.environment == "local" || can(regex(
      "^https://[a-z0-9]+\\.execute-api\\.${var.cell.region}\\.amazonaws\\.com(\\.cn)?/[A-Za-z0-9_-]+$", var.cell.callback_endpoint
    ))
    error_message = "cell.callback_endpoint must be https://<api>.execute-api.${var.cell.region}.amazonaws.com/<stage>, of the cell's own API."
  }
  validation {
    condition     = length(var.cell.shards) > 0
    error_message = "cell.shards must have at least one shard: a subscriber without one is taken out of the map."
  }
  validation {
    condition     = alltrue([for shard in var.cell.shards : can(regex("^arn:[a-z-]+:sqs:${var.cell.region}:[0-9]{12}:", shard.arn))])
    error_message = "cell.shards must have ARNs of queues in the cell's Region, ${var.cell.region}."
  }
}

variable "region" {
  description = "The subscriber's AWS Region: the cell's."
  type        = string

  # https://docs.aws.amazon.com/lambda/latest/dg/with-sqs.html
  validation {
    condition     = var.region == var.cell.region
    error_message = "region must be the cell's, ${var.cell.region}: Lambda reads queues of other accounts, but not of other Regions."
  }
}

variable "package" {
  description = "Code of the function: see the module `package`."
  type        = any
}

variable "deployment" {
  description = "Processor, logs and traces of the function: `settings` of the module `deployment`."
  type        = any
  default     = {}

  validation {
    condition     = length(setsubtract(keys(var.deployment), ["architecture", "log_level", "log_retention_days", "tracing"])) == 0
    error_message = "deployment has the settings architecture, log_level, log_retention_days and tracing, and no others."
  }
}

variable "post_message" {
  description = "Memory of post_message in MB, a whole vCPU by default: it is busy with signatures and TLS; the concurrency reserved for it; and environments kept warm for a spike that is known beforehand."
  type = object({
    memory      = optional(number, 1769)
    reserved    = optional(number)
    provisioned = optional(number)
  })
  default = {}

  validation {
    condition     = var.post_message.reserved == null ? true : var.post_message.reserved >= length(var.cell.shards) * var.cell.concurrency
    error_message = "post_message.reserved must be null or at least the number of this subscriber's lanes, ${length(var.cell.shards)} shards x ${var.cell.concurrency}: a lane without a worker leaves its part of the quota unused."
  }
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
  validation {
    condition     = coalesce(var.post_message.reserved, 0) + 100 <= max(var.lambda_concurrency, 100)
    error_message = "post_message.reserved must leave 100 of lambda_concurrency to all other functions: AWS refuses to reserve more."
  }
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

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that is notified of alarms; null, only in the environment local: none is."
  type        = string
  default     = null
}
