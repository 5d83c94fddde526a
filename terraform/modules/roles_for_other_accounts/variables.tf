variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`. The other accounts have the same prefix."
  type        = any
}

variable "roles" {
  description = "Each role by a key: end of its name; the account, the functions there that may assume it, and the external id that they must name; name of its policy, and permissions by Sid, with conditions in IAM's form."
  type = map(object({
    name        = string
    account_id  = string
    functions   = list(string)
    external_id = string
    policy_name = string
    statements = map(object({
      actions    = list(string)
      resources  = list(string)
      conditions = optional(map(map(list(string))), {})
    }))
  }))

  validation {
    condition     = alltrue([for role in var.roles : can(regex("^[0-9]{12}$", role.account_id))])
    error_message = "roles: an account_id must be 12 digits."
  }
  validation {
    condition     = alltrue([for role in var.roles : length(role.functions) > 0])
    error_message = "roles: functions must name at least one: a role that trusts a whole account is refused."
  }
  validation {
    condition     = alltrue([for role in var.roles : length(role.external_id) >= 2])
    error_message = "roles: an external_id must have at least 2 characters."
  }
  validation {
    condition = alltrue(flatten([
      for role in var.roles : [for action in flatten(values(role.statements)[*].actions) : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))]
    ]))
    error_message = "roles: an action must be written out, as in dynamodb:GetItem; wildcards are refused."
  }
}
