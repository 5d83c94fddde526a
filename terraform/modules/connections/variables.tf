variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "settings" {
  description = "Intended number of connections of a partition; largest number of a tenant's partitions; and seconds for which changes of connections are gathered before they are counted."
  type = object({
    connections_per_partition = optional(number, 1000)
    max_partitions            = optional(number, 2500)
    accounting_window         = optional(number, 1)
  })
  default = {}

  validation {
    condition     = var.settings.connections_per_partition >= 1 && var.settings.connections_per_partition <= 10000
    error_message = "connections.connections_per_partition must be from 1 to 10000."
  }
  validation {
    condition     = var.settings.max_partitions >= 1 && var.settings.max_partitions <= 99999
    error_message = "connections.max_partitions must be from 1 to 99999: a partition's number has five digits."
  }
  validation {
    condition     = contains([0, 1, 2, 3, 4, 5], var.settings.accounting_window)
    error_message = "connections.accounting_window must be a whole number of seconds from 0 to 5."
  }
}

variable "functions" {
  description = "Timeout, memory and concurrency of `accounting`, `authorizer`, `connect`, `disconnect` and `reconcile`: see the stack `hub`."
  type        = any

  # The authorizer is called first: where it is not answered, nobody connects.
  validation {
    condition     = (var.functions.connect.reserved == null) == (var.functions.authorizer.reserved == null)
    error_message = "functions: connect and authorizer must both be reserved or neither: a handshake needs both."
  }
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute."
  type        = number
}

variable "cells" {
  description = "In a hub with further cells: the weights of all cells as JSON, how many connections of a tenant make a home, and how old a lease may be; null: there are none, or this is one."
  type        = object({ weights = string, home_connections = number, lease_seconds = number })
  default     = null
}

variable "tables" {
  description = "Name and ARN of the tables of other capabilities."
  type = object({
    limits   = object({ name = string, arn = string })
    sessions = object({ name = string, arn = string })
    tenants  = object({ name = string, arn = string })
    cells    = optional(object({ name = string, arn = string }))
  })
}

variable "websocket_api" {
  description = "Endpoint that posts go to, and what closing and looking up are allowed on: outputs of the module `websocket_api`."
  type        = object({ callback_endpoint = string, close_arn = string, look_up_arn = string })
}
