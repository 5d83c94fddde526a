variable "prefix" {
  description = "Beginning of the alarms' names."
  type        = string
}

variable "functions" {
  description = "Names of the functions in AWS, by the names that the alarms have for them."
  type        = map(string)

  validation {
    condition     = length(var.functions) > 0
    error_message = "functions must name at least one."
  }
}

variable "tolerated_per_minute" {
  description = "Errors, and throttles, of a function in a minute that wake nobody."
  type        = number
  default     = 10

  validation {
    condition     = var.tolerated_per_minute >= 0
    error_message = "tolerated_per_minute must not be negative."
  }
}

variable "topic_arn" {
  description = "ARN of the SNS topic that is notified of alarms: see the module alarm."
  type        = string
  default     = null
}
