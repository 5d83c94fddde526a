variable "name" {
  description = "The role's name."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,63}$", var.name))
    error_message = "name must be 2 to 64 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "description" {
  description = "Purpose of the role."
  type        = string
}

variable "provider_arn" {
  description = "ARN of the account's OIDC provider for GitHub."
  type        = string

  validation {
    condition     = can(regex(":oidc-provider/token\\.actions\\.githubusercontent\\.com$", var.provider_arn))
    error_message = "provider_arn must be the ARN of the OIDC provider token.actions.githubusercontent.com."
  }
}

# GitHub puts the ids into the subjects of every repository that was created, renamed or transferred since 15 July 2026, so that
# nobody who takes over a name gets the rights of its former owner:
# https://docs.github.com/en/actions/reference/security/oidc#immutable-subject-claims
variable "subject_prefix" {
  description = "Beginning of the subject of all runs that may take the role, as GitHub gives it: repo:<owner>@<id>/<name>@<id>; or repo:<owner>/<name> where the repository has no immutable subjects."
  type        = string

  validation {
    condition     = can(regex("^repo:([A-Za-z0-9_-]+/[A-Za-z0-9._-]+|[A-Za-z0-9_-]+@[1-9][0-9]*/[A-Za-z0-9._-]+@[1-9][0-9]*)$", var.subject_prefix))
    error_message = "subject_prefix must be repo:<owner>@<id>/<name>@<id> or repo:<owner>/<name>, whole and without wildcards."
  }
}

variable "subjects" {
  description = "Subject of the runs: pull_request, ref:refs/heads/<branch> or environment:<name>."
  type        = list(string)

  validation {
    condition     = length(var.subjects) > 0
    error_message = "subjects must name at least one."
  }
  validation {
    condition = alltrue([
      for subject in var.subjects : can(regex("^(pull_request|ref:refs/heads/[A-Za-z0-9._/-]+|environment:[A-Za-z0-9._-]+)$", subject))
    ])
    error_message = "subjects: each must be pull_request, ref:refs/heads/<branch> or environment:<name>, without wildcards."
  }
}

variable "policies" {
  description = "Permissions of the role: inline policies by name, each with its statements by Sid; conditions are in IAM's own form."
  type = map(map(object({
    actions    = list(string)
    resources  = list(string)
    conditions = optional(map(map(list(string))), {})
  })))

  validation {
    condition = alltrue([
      for action in flatten([for policy in var.policies : values(policy)[*].actions]) : can(regex("^[a-z0-9-]+:[A-Za-z]+$", action))
    ])
    error_message = "policies: an action must be one action, as in s3:GetObject, without wildcards."
  }
}

variable "shared_policies" {
  description = "ARNs of policies that several roles have, by name."
  type        = map(string)
  default     = {}
}
