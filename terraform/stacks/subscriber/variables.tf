variable "cell" {
  description = "What the hub says of its cell for this subscriber: its output `subscribers`, under the subscriber's name. account_id is the subscriber's; the provider refuses to work in any other."
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
  description = "What the functions run: the image, by digest, or locally a zip and the base64 of its SHA-256."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ path = string, hash = string }))
  })

  validation {
    condition     = var.cell.environment == "local" || var.package.zip == null
    error_message = "package.zip is for the environment local only: elsewhere functions run the image."
  }
  # https://docs.aws.amazon.com/lambda/latest/dg/images-create.html: function and image are in the same Region.
  validation {
    condition = var.cell.environment == "local" || var.package.image == null ? true : can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.${var.region}\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*$", var.package.image.repository_url
    ))
    error_message = "package.image.repository_url must be <12-digit account>.dkr.ecr.<region>.amazonaws.com/<name>, without a tag, in the Region of region: Lambda runs no image of another."
  }
  validation {
    condition     = var.package.image == null ? true : can(regex("^sha256:[a-f0-9]{64}$", var.package.image.digest))
    error_message = "package.image.digest must be sha256: followed by 64 lowercase hexadecimal digits; a tag is none."
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

variable "tracing" {
  description = "Functions send traces to X-Ray, which asks for more than Lambda does."
  type        = bool
  default     = false
}

variable "memory" {
  description = "Memory of post_message in MB; a sender is busy with signatures and TLS: it gets a whole vCPU."
  type        = number
  default     = 1769
}

variable "reserved_concurrency" {
  description = "Concurrency reserved for post_message; null: none."
  type        = number
  default     = null
}

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that alarms are told to; null, in the environment local alone: nobody is told."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn != null || var.cell.environment == "local"
    error_message = "alarm_topic_arn must be set outside the environment local: nobody would hear of an alarm."
  }
}
