variable "name" {
  description = "Name of the alarm."
  type        = string
}

variable "description" {
  description = "Explanation for the person on call."
  type        = string
}

variable "metric" {
  description = "The metric, and the statistic of it over a minute: Maximum or Sum."
  type        = object({ namespace = string, name = string, dimensions = map(string), statistic = string })

  validation {
    condition     = contains(["Maximum", "Sum"], var.metric.statistic)
    error_message = "metric.statistic must be Maximum or Sum."
  }
}

variable "threshold" {
  description = "The alarm is raised by a minute above this."
  type        = number

  validation {
    condition     = var.threshold >= 0
    error_message = "threshold must not be negative."
  }
}

variable "topic_arn" {
  description = "ARN of the SNS topic that is notified when the alarm is raised and when it ends; null: none is."
  type        = string
  default     = null

  validation {
    condition     = var.topic_arn == null ? true : can(regex("^arn:[a-z-]+:sns:[a-z0-9-]+:[0-9]{12}:[A-Za-z0-9_.-]+$", var.topic_arn))
    error_message = "topic_arn must be null or an SNS topic's ARN, such as arn:aws:sns:us-east-1:111111111111:alarms."
  }
}
