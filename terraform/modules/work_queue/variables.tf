variable "prefix" {
  description = "Beginning of the queues' names."
  type        = string
}

variable "names" {
  description = "The queues' names, without prefix and suffix."
  type        = set(string)
}

# Apart from the names: a function has the URL of its queue among its variables.
variable "readers" {
  description = "ARN of the alias that reads each queue, by the queue's name."
  type        = map(string)
}

variable "timeout" {
  description = "Seconds after which an invocation of the readers is cut off."
  type        = number
}

variable "fifo" {
  description = "True if the messages of a group are handled one after the other."
  type        = bool
  default     = false
}

variable "retention_seconds" {
  description = "Seconds for which a message is kept that nobody deletes."
  type        = number
  default     = 86400

  # https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
  validation {
    condition     = var.retention_seconds >= 60 && var.retention_seconds <= 1209600
    error_message = "retention_seconds must be from 60 to 1209600."
  }
}

variable "batch_size" {
  description = "Largest number of messages of an invocation."
  type        = number
  default     = 10

  # A FIFO queue takes no more: https://docs.aws.amazon.com/lambda/latest/api/API_CreateEventSourceMapping.html
  validation {
    condition     = var.batch_size >= 1 && var.batch_size <= 10
    error_message = "batch_size must be from 1 to 10."
  }
}

variable "maximum_concurrency" {
  description = "Largest number of invocations at once for each queue: a backlog must not take the account's concurrency from others."
  type        = number

  # https://docs.aws.amazon.com/lambda/latest/api/API_ScalingConfig.html
  validation {
    condition     = var.maximum_concurrency >= 2 && var.maximum_concurrency <= 1000
    error_message = "maximum_concurrency must be from 2 to 1000."
  }
}

variable "failure" {
  description = "Name, without prefix and suffix, of the queue that a message ends in which was received so many times; null: it is received until it expires."
  type        = object({ name = string, receives = number })
  default     = null

  validation {
    condition     = var.failure == null ? true : var.failure.receives >= 1 && var.failure.receives <= 1000
    error_message = "failure: receives must be from 1 to 1000."
  }
}
