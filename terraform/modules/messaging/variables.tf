variable "prefix" {
  description = "Beginning of every name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "silo_tenants" {
  description = "Ids of the tenants that have a queue and a consumer of their own."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for tenant in var.silo_tenants : can(regex("^[A-Za-z0-9_-]{1,64}$", tenant))])
    error_message = "silo_tenants: a tenant's id must be 1 to 64 letters, digits, underscores and dashes."
  }
  validation {
    condition     = alltrue([for tenant in var.silo_tenants : length("${var.prefix}-silo-${tenant}.fifo") <= 80])
    error_message = "silo_tenants: a queue's name, <prefix>-silo-<tenant>.fifo, must not be longer than 80 characters."
  }
  # A role's name is unique whatever its case.
  validation {
    condition     = length(distinct([for tenant in var.silo_tenants : lower(tenant)])) == length(var.silo_tenants)
    error_message = "silo_tenants: two ids must not differ in upper and lower case alone."
  }
}

variable "consumers" {
  description = "ARN of the alias that reads each queue, by the queue's name: `pooled`, and `silo-<tenant>` for each silo."
  type        = map(string)

  validation {
    condition     = toset(keys(var.consumers)) == toset(concat(["pooled"], [for tenant in var.silo_tenants : "silo-${tenant}"]))
    error_message = "consumers must have pooled, and silo-<tenant> for each of silo_tenants."
  }
  validation {
    condition     = alltrue([for arn in values(var.consumers) : can(regex("^arn:[a-z-]+:lambda:", arn))])
    error_message = "consumers must be ARNs of Lambda aliases."
  }
}

# Not taken from the consumers: the queues would wait for the functions, which wait for the queues.
variable "timeout" {
  description = "Timeout of the consumers in seconds; a message is invisible for six times as long."
  type        = number

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900
    error_message = "timeout must be from 1 to 900 seconds."
  }
}

variable "max_receive_count" {
  description = "How often a message is tried before it is given up."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 500
    error_message = "max_receive_count must be from 5 to 500: Lambda's pollers alone can receive a message a few times."
  }
}
