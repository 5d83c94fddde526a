variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "functions" {
  description = "Timeout, memory and concurrency of `session_api` and `end_session`: see the stack `hub`."
  type        = any
}

variable "api" {
  description = "Authorisation of the routes of sessions: none, iam or jwt; the claim of their tokens that names the tenant; whether GET /tenant lists the tenants; the rate at which clients are let in, and the part of it that goes past the line; and the ids of tenants that have a queue of their own. null: there are no such routes, and no session_api."
  type = object({
    session_auth = string
    tenant_claim = string
    list_tenants = bool
    connects     = object({ per_second = number, reserve = number })
    silo_tenants = set(string)
  })
}

variable "cells" {
  description = "The further cells of a hub: account by name; all that is declared of them as functions read it; the weight of the hub's own cell, how many connections of a tenant make a home, and how old a lease may be; null: there are none."
  type = object({
    declared         = map(object({ account_id = string }))
    json             = string
    hub_weight       = number
    home_connections = number
    lease_seconds    = number
  })
  default = null
}

variable "hub" {
  description = "The hub as a further cell knows it: the output `cells` of the stack `hub`, under the cell's name; null: this is the hub."
  type = object({
    name           = string
    hub_region     = string
    hub_account_id = string
    role           = object({ arn = string, external_id = string })
    tables         = object({ cells = string, tenants = string })
    weights        = map(number)
    placement      = object({ home_connections = number, beat_seconds = number, lease_seconds = number })
  })
  default = null
}

variable "tables" {
  description = "Name and ARN of the tables of other capabilities."
  type = object({
    broadcasts  = object({ name = string, arn = string })
    connections = object({ name = string, arn = string })
    partitions  = optional(object({ name = string, arn = string }))
  })
}

variable "websocket_api" {
  description = "URL that clients connect to, endpoint of the management API, and what closing and looking up are allowed on: outputs of the module `websocket_api`."
  type        = object({ url = string, callback_endpoint = string, close_arn = string, look_up_arn = string })

  validation {
    condition     = can(regex("^wss?://", var.websocket_api.url))
    error_message = "websocket_api.url must begin with wss:// (or ws://, locally)."
  }
}
