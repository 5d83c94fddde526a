variable "prefix" {
  description = "Beginning of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
  # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
  validation {
    condition     = !can(regex("^(aws|ssm)", var.prefix))
    error_message = "prefix must not begin with aws or ssm: SSM refuses a parameter with such a name."
  }
}

variable "environment" {
  description = "The environment, such as dev; `local` is the one on a developer's machine."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "environment must be 2 to 16 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "settings" {
  description = "Processor of the functions, as the image was built for; the least severe level that they log; days that logs are kept; whether functions send traces to X-Ray; whether functions of the former release run beside, which know sessions by other keys and assume roles in `connect` and `disconnect`; and whether some run beside that do not know channels: until then nobody can subscribe."
  type = object({
    architecture       = optional(string, "arm64")
    log_level          = optional(string, "INFO")
    log_retention_days = optional(number, 30)
    tracing            = optional(bool, false)
    former_release     = optional(bool, false)
    before_channels    = optional(bool, false)
  })
  default = {}

  validation {
    condition     = contains(["arm64", "x86_64"], var.settings.architecture)
    error_message = "deployment.architecture must be arm64 or x86_64."
  }
  validation {
    condition     = contains(["DEBUG", "INFO"], var.settings.log_level)
    error_message = "deployment.log_level must be DEBUG or INFO: at a higher level Lambda drops the metrics."
  }
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365, 400], var.settings.log_retention_days)
    error_message = "deployment.log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365 or 400."
  }
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds every role; null: none does."
  type        = string
  default     = null
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

variable "alarm_topic_arn" {
  description = "ARN of the SNS topic that is notified when an alarm is raised and when it ends; null, only in the environment local: none is."
  type        = string
  default     = null

  validation {
    condition     = var.alarm_topic_arn != null || var.environment == "local"
    error_message = "alarm_topic_arn must be set outside the environment local: nobody would hear of an alarm."
  }
}
