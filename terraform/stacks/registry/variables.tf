variable "environment" {
  description = "The environment, such as dev."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,15}$", var.environment))
    error_message = "environment must be 2 to 16 lowercase letters, digits and dashes, beginning with a letter."
  }
}

variable "account_id" {
  description = "The AWS account; the provider refuses to work in any other."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "account_id must be 12 digits."
  }
}

variable "hub_account_id" {
  description = "The account of the environment's hub: this one; or, for a cell or a subscriber, the only other one that its functions may reach."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.hub_account_id))
    error_message = "hub_account_id must be 12 digits."
  }
}

variable "stack" {
  description = "The stack that the account has: hub, cell or subscriber; null: hub in the hub's account, and subscriber in others."
  type        = string
  default     = null

  validation {
    condition     = var.stack == null ? true : contains(["hub", "cell", "subscriber"], var.stack)
    error_message = "stack must be hub, cell or subscriber."
  }
  validation {
    condition     = var.stack == null ? true : (var.stack == "hub") == (var.account_id == var.hub_account_id)
    error_message = "stack must be hub in the account hub_account_id, and only there."
  }
}

variable "cells" {
  description = "Accounts of the further cells, by name, as in the variable `cells` of the stack `hub`; only in the hub's account, whose functions act in roles there."
  type        = map(object({ account_id = string }))
  default     = {}

  validation {
    condition     = alltrue([for cell in var.cells : can(regex("^[0-9]{12}$", cell.account_id))])
    error_message = "cells: an account_id must be 12 digits."
  }
  validation {
    condition     = length(var.cells) == 0 || var.account_id == var.hub_account_id
    error_message = "cells must be set in the hub's account only."
  }
}

variable "region" {
  description = "The AWS Region of the deployments, and of the images: Lambda runs no image of another Region."
  type        = string

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be a Region's name, such as us-east-1."
  }
}

variable "prefix" {
  description = "Beginning of every name of the deployment; null: loudhailer-<environment>."
  type        = string
  default     = null

  validation {
    condition     = var.prefix == null ? true : can(regex("^[a-z][a-z0-9-]{1,30}$", var.prefix))
    error_message = "prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
  # https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
  validation {
    condition     = var.prefix == null ? true : !can(regex("^(aws|ssm)", var.prefix))
    error_message = "prefix must not begin with aws or ssm: SSM refuses a parameter with such a name."
  }
  validation {
    condition     = var.prefix != "ci"
    error_message = "prefix must not be ci: CI's own roles are in that path, and must not change each other."
  }
}

variable "images" {
  description = "The account that keeps the images and the releases' manifests, the prefix of its names, and the repository's name."
  type        = object({ account_id = string, prefix = string, repository = optional(string, "loudhailer") })

  validation {
    condition     = can(regex("^[0-9]{12}$", var.images.account_id))
    error_message = "images.account_id must be 12 digits."
  }
  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,30}$", var.images.prefix))
    error_message = "images.prefix must be 2 to 31 lowercase letters, digits and dashes, beginning with a letter."
  }
  validation {
    condition     = var.images.account_id != var.account_id || var.images.prefix == coalesce(var.prefix, "loudhailer-${var.environment}")
    error_message = "images.prefix must be this account's own, prefix or loudhailer-<environment>, where account_id keeps the images."
  }
}

variable "accounts" {
  description = "All accounts that run the image, hubs, cells and subscribers, by name; only where images are kept."
  type        = map(object({ account_id = string }))
  default     = {}

  validation {
    condition     = alltrue([for account in var.accounts : can(regex("^[0-9]{12}$", account.account_id))])
    error_message = "accounts: an account_id must be 12 digits."
  }
  validation {
    condition     = (length(var.accounts) > 0) == (var.account_id == var.images.account_id)
    error_message = "accounts must be set where the images are kept, account_id = images.account_id, and only there."
  }
}

variable "github_subject_prefix" {
  description = "Beginning of the subject in the tokens of the workflows that take the roles, as GitHub gives it for the repository: repo:<owner>@<id>/<name>@<id>, or repo:<owner>/<name>."
  type        = string

  validation {
    condition     = can(regex("^repo:([A-Za-z0-9_-]+/[A-Za-z0-9._-]+|[A-Za-z0-9_-]+@[1-9][0-9]*/[A-Za-z0-9._-]+@[1-9][0-9]*)$", var.github_subject_prefix))
    error_message = "github_subject_prefix must be repo:<owner>@<id>/<name>@<id> or repo:<owner>/<name>: sub_claim_prefix of `gh api repos/<owner>/<name>/actions/oidc/customization/sub`."
  }
}

variable "github_environment" {
  description = "The environment on GitHub whose approval an apply needs; null: the name in environment."
  type        = string
  default     = null

  validation {
    condition     = var.github_environment == null ? true : can(regex("^[A-Za-z0-9._-]+$", var.github_environment))
    error_message = "github_environment must consist of letters, digits, dots, underscores and dashes."
  }
}
