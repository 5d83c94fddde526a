variable "name" {
  description = "The function's name in the code: its handler is `functions.<capability>.<name>.handler.handler`."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{1,31}$", var.name))
    error_message = "name must be 2 to 32 lowercase letters, digits and underscores, beginning with a letter."
  }
}

variable "capability" {
  description = "The capability that the function belongs to: its folder in `functions`."
  type        = string

  validation {
    condition     = contains(["broadcast", "channels", "connections", "sessions", "messaging", "web"], var.capability)
    error_message = "capability must be broadcast, channels, connections, sessions, messaging or web."
  }
}

variable "suffix" {
  description = "Tells functions of the same code apart: the end of this one's name; null: there is only one."
  type        = string
  default     = null

  validation {
    condition     = var.suffix == null ? true : can(regex("^[A-Za-z0-9_-]+$", var.suffix))
    error_message = "suffix must be null or consist of letters, digits, underscores and dashes."
  }
  validation {
    condition     = length(join("-", compact([var.deployment.prefix, var.name, var.suffix]))) <= 64
    error_message = "suffix: the function's name, <prefix>-<name>-<suffix>, must not be longer than 64 characters."
  }
}

variable "package" {
  description = "Code of the function: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all functions share: output of the module `deployment`."
  type        = any
}

variable "settings" {
  description = "Seconds after which an invocation is cut off; memory in MB, with 1,769 of which comes one vCPU; concurrency kept for this function and never exceeded by it, null: none; execution environments kept warm for a spike that is known beforehand, null: none."
  type = object({
    timeout     = optional(number, 10)
    memory      = optional(number, 512)
    reserved    = optional(number)
    provisioned = optional(number)
  })
  default = {}

  validation {
    condition     = var.settings.timeout >= 1 && var.settings.timeout <= 900 && floor(var.settings.timeout) == var.settings.timeout
    error_message = "functions: the timeout of ${local.function_name} must be a whole number of seconds from 1 to 900."
  }
  validation {
    condition     = var.settings.memory >= 128 && var.settings.memory <= 10240 && floor(var.settings.memory) == var.settings.memory
    error_message = "functions: the memory of ${local.function_name} must be a whole number of MB from 128 to 10240."
  }
  validation {
    condition     = var.settings.reserved == null ? true : var.settings.reserved >= 1 && floor(var.settings.reserved) == var.settings.reserved
    error_message = "functions: reserved of ${local.function_name} must be null or a whole number from 1: 0 would switch the function off."
  }
  validation {
    condition     = var.settings.provisioned == null ? true : var.settings.provisioned >= 1 && floor(var.settings.provisioned) == var.settings.provisioned
    error_message = "functions: provisioned of ${local.function_name} must be null or a whole number from 1."
  }
  validation {
    condition     = var.settings.provisioned == null || var.settings.reserved == null ? true : var.settings.provisioned <= var.settings.reserved
    error_message = "functions: provisioned of ${local.function_name} must not be higher than reserved."
  }
}

variable "variables" {
  description = "The function's own environment variables; those common to all functions are added. null: the variable is not set."
  type        = map(string)
  default     = {}
}

variable "queues_read" {
  description = "ARNs of the queues that Lambda's pollers read for the function, by the Sid of the statement that allows it."
  type        = map(list(string))
  default     = {}

  validation {
    condition     = alltrue([for sid in keys(var.queues_read) : can(regex("^[A-Za-z0-9]+$", sid))])
    error_message = "queues_read: a Sid must consist of letters and digits."
  }
  validation {
    condition     = length(setintersection(keys(var.queues_read), keys(var.statements))) == 0
    error_message = "queues_read: a Sid must not be one of the statements' own."
  }
  validation {
    condition     = alltrue([for arns in var.queues_read : length(arns) > 0 && alltrue([for arn in arns : startswith(arn, "arn:")])])
    error_message = "queues_read: every Sid must have at least one queue, named by its ARN."
  }
}

variable "statements" {
  description = "Permissions of the function, by Sid; conditions in IAM's form, operator to key to values."
  type = map(object({
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
  }))
  default = {}

  validation {
    condition     = alltrue([for sid in keys(var.statements) : can(regex("^[A-Za-z0-9]+$", sid))])
    error_message = "statements: a Sid must consist of letters and digits."
  }
  validation {
    condition     = alltrue([for statement in var.statements : length(statement.actions) > 0 && length(statement.resources) > 0])
    error_message = "statements: every statement must name at least one action and one resource."
  }
  validation {
    condition = alltrue([
      for action in flatten(values(var.statements)[*].actions) : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))
    ])
    error_message = "statements: an action must be written out, as in dynamodb:GetItem; wildcards are refused."
  }
  validation {
    condition = alltrue([
      for resource in flatten(values(var.statements)[*].resources) : startswith(resource, "arn:")
    ])
    error_message = "statements: a resource must be an ARN."
  }
}

variable "tenant_statements" {
  description = "Permissions of the function for one tenant, by Sid: only for rows whose partition key, of the table or of the index, is like one of the leading keys; {tenantId} stands for the tenant."
  type = map(object({
    actions      = list(string)
    resources    = list(string)
    leading_keys = list(string)
  }))
  default = {}

  validation {
    condition     = alltrue([for sid in keys(var.tenant_statements) : can(regex("^[A-Za-z0-9]+$", sid))])
    error_message = "tenant_statements: a Sid must consist of letters and digits."
  }
  validation {
    condition = alltrue([
      for statement in var.tenant_statements :
      length(statement.actions) > 0 && length(statement.resources) > 0 && length(statement.leading_keys) > 0
    ])
    error_message = "tenant_statements: every statement must name at least one action, one resource and one leading key."
  }
  validation {
    condition = alltrue([
      for action in flatten(values(var.tenant_statements)[*].actions) : can(regex(
        "^dynamodb:(BatchGetItem|BatchWriteItem|ConditionCheckItem|DeleteItem|GetItem|PartiQLDelete|PutItem|Query|UpdateItem)$", action
      ))
    ])
    error_message = "tenant_statements: an action must be one of DynamoDB's that name a partition key; a Scan names none."
  }
  validation {
    condition = alltrue([
      for resource in flatten(values(var.tenant_statements)[*].resources) : startswith(resource, "arn:")
    ])
    error_message = "tenant_statements: a resource must be an ARN."
  }
  # Whatever follows the tenant's id begins with a character that no id has: a longer id does not match.
  validation {
    condition = alltrue([
      for key in flatten(values(var.tenant_statements)[*].leading_keys) : can(regex("^\\{tenantId\\}([#:][^{}]*)?$", key))
    ])
    error_message = "tenant_statements: a leading key must be {tenantId}, or continue with # or :, as in {tenantId}#*."
  }
  validation {
    condition     = length(var.tenant_statements) == 0 || length("${local.function_name}-tenant") <= 64
    error_message = "tenant_statements: the role's name, that of the function and -tenant, must not be longer than 64 characters."
  }
}
