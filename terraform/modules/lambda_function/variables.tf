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
    condition     = contains(["broadcast", "connections", "sessions", "messaging", "web"], var.capability)
    error_message = "capability must be broadcast, connections, sessions, messaging or web."
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
  description = "What the function runs: the image, by digest, or locally a zip in a bucket and the base64 of its SHA-256."
  type = object({
    image = optional(object({ repository_url = string, digest = string }))
    zip   = optional(object({ bucket = string, key = string, hash = string }))
  })

  validation {
    condition     = (var.package.image == null) != (var.package.zip == null)
    error_message = "package must have either image or zip."
  }
  validation {
    condition = var.deployment.environment == "local" || var.package.image == null ? true : can(regex(
      "^[0-9]{12}\\.dkr\\.ecr\\.[a-z0-9-]+\\.amazonaws\\.com(\\.cn)?/[a-z0-9][a-z0-9._/-]*$", var.package.image.repository_url
    ))
    error_message = "package.image.repository_url must be <12-digit account>.dkr.ecr.<region>.amazonaws.com/<name>, without a tag."
  }
  validation {
    condition     = try(can(regex("^sha256:[a-f0-9]{64}$", var.package.image.digest)), false) || var.package.image == null
    error_message = "package.image.digest must be sha256: followed by 64 lowercase hexadecimal digits."
  }
  validation {
    condition     = try(can(regex("^[A-Za-z0-9+/]{43}=$", var.package.zip.hash)), false) || var.package.zip == null
    error_message = "package.zip.hash must be the base64 of the zip's SHA-256: 43 characters and =."
  }
}

variable "deployment" {
  description = "What all functions of an environment share."
  type = object({
    prefix             = string
    environment        = string
    architecture       = optional(string, "arm64")
    log_level          = optional(string, "INFO")
    log_retention_days = optional(number, 30)
    tracing            = optional(bool, false)

    permissions_boundary = optional(string)
  })

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.deployment.prefix))
    error_message = "deployment.prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
  validation {
    condition     = contains(["arm64", "x86_64"], var.deployment.architecture)
    error_message = "deployment.architecture must be arm64 or x86_64."
  }
  validation {
    condition     = contains(["DEBUG", "INFO"], var.deployment.log_level)
    error_message = "deployment.log_level must be DEBUG or INFO: at a higher level Lambda drops the metrics."
  }
  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365, 400], var.deployment.log_retention_days)
    error_message = "deployment.log_retention_days must be 1, 3, 5, 7, 14, 30, 60, 90, 120, 180, 365 or 400."
  }
}

variable "memory" {
  description = "Memory in MB; one vCPU comes with 1,769 MB."
  type        = number
  default     = 512

  validation {
    condition     = var.memory >= 128 && var.memory <= 10240 && floor(var.memory) == var.memory
    error_message = "memory must be a whole number of MB from 128 to 10240."
  }
}

variable "timeout" {
  description = "Seconds after which an invocation is cut off."
  type        = number
  default     = 10

  validation {
    condition     = var.timeout >= 1 && var.timeout <= 900 && floor(var.timeout) == var.timeout
    error_message = "timeout must be a whole number of seconds from 1 to 900."
  }
}

variable "reserved_concurrency" {
  description = "Concurrency kept for this function and never exceeded by it; null: none is reserved."
  type        = number
  default     = null

  validation {
    condition     = var.reserved_concurrency == null ? true : var.reserved_concurrency >= 1
    error_message = "reserved_concurrency must be null or at least 1: 0 would switch the function off."
  }
}

variable "provisioned_concurrency" {
  description = "Execution environments that are kept warm for a spike that is known beforehand; null: none."
  type        = number
  default     = null

  validation {
    condition = var.provisioned_concurrency == null ? true : (
      var.provisioned_concurrency >= 1 && floor(var.provisioned_concurrency) == var.provisioned_concurrency
    )
    error_message = "provisioned_concurrency must be null or a whole number from 1."
  }
  validation {
    condition = var.provisioned_concurrency == null || var.reserved_concurrency == null ? true : (
      var.provisioned_concurrency <= var.reserved_concurrency
    )
    error_message = "provisioned_concurrency must not be higher than reserved_concurrency."
  }
}

variable "variables" {
  description = "The function's own environment variables; those common to all functions are added."
  type        = map(string)
  default     = {}
}

variable "statements" {
  description = "What the function may do, by Sid; conditions are in IAM's own form, operator to key to values."
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
  description = "What the function may do for one tenant, by Sid: only with rows whose partition key, of the table or of the index, is like one of the leading keys; {tenantId} stands for the tenant."
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
    error_message = "tenant_statements: a leading key must be {tenantId}, or go on with # or :, as in {tenantId}#*."
  }
  validation {
    condition     = length(var.tenant_statements) == 0 || length("${local.function_name}-tenant") <= 64
    error_message = "tenant_statements: the role's name, that of the function and -tenant, must not be longer than 64 characters."
  }
}
