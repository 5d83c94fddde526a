variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "settings" {
  description = "Ids of the tenants that have a queue and a consumer of their own for frames that are handled in order; seconds that a direct message waits for its receiver; and the largest number of direct messages in an inbox: the sender of another one gets an error."
  type = object({
    silo_tenants           = optional(set(string), [])
    inbox_lifetime_seconds = optional(number, 604800)
    messages_per_inbox     = optional(number, 1000)
  })
  default = {}

  validation {
    condition     = alltrue([for tenant in var.settings.silo_tenants : can(regex("^[A-Za-z0-9_-]{1,64}$", tenant))])
    error_message = "messaging.silo_tenants: a tenant's id must be 1 to 64 letters, digits, underscores and dashes."
  }
  validation {
    condition     = alltrue([for tenant in var.settings.silo_tenants : length("${var.deployment.prefix}-silo-${tenant}.fifo") <= 80])
    error_message = "messaging.silo_tenants: a queue's name, <prefix>-silo-<tenant>.fifo, must not be longer than 80 characters."
  }
  validation {
    condition     = alltrue([for tenant in var.settings.silo_tenants : length("${var.deployment.prefix}-echo-${tenant}-tenant") <= 64])
    error_message = "messaging.silo_tenants: a consumer's role, <prefix>-echo-<tenant>-tenant, must not have a name of more than 64 characters."
  }
  # A role's name is unique whatever its case.
  validation {
    condition     = length(distinct([for tenant in var.settings.silo_tenants : lower(tenant)])) == length(var.settings.silo_tenants)
    error_message = "messaging.silo_tenants: two ids must not differ in upper and lower case alone."
  }
  validation {
    condition     = var.settings.inbox_lifetime_seconds >= 1 && var.settings.inbox_lifetime_seconds <= 31536000
    error_message = "messaging.inbox_lifetime_seconds must be from 1 to 31536000, a year."
  }
  validation {
    condition     = var.settings.messages_per_inbox >= 1 && var.settings.messages_per_inbox <= 1000000
    error_message = "messaging.messages_per_inbox must be from 1 to 1000000."
  }
}

variable "functions" {
  description = "Timeout, memory and concurrency of `send_message`, `join_room`, `relay_message`, `presence`, `echo` and `default_route`, and of `forward_message` in a hub with further cells: see the stack `hub`."
  type        = any

  validation {
    condition     = var.functions.send_message.timeout < 15
    error_message = "functions: send_message must have a timeout of less than 15 seconds; then a message is open to its client's next attempt."
  }
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute."
  type        = number
}

variable "broadcast" {
  description = "Topic, partition keys and lifetime of a broadcast, which a message to a large room is, and the queue of what could not be handled: outputs of the module `broadcast`."
  type = object({
    topic_arn         = string
    keys              = number
    lifetime_seconds  = number
    dead_letter_queue = object({ url = string, arn = string })
  })
}

variable "disconnect_queue" {
  description = "URL and ARN of the queue of connections that are to be closed."
  type        = object({ url = string, arn = string })
}

variable "leave_queue" {
  description = "URL and ARN of the queue of ends of subscriptions."
  type        = object({ url = string, arn = string })
}

variable "tables" {
  description = "Name and ARN of the tables of other capabilities; of connections the ARNs of its stream and of its index by room, too."
  type = object({
    broadcasts  = object({ name = string, arn = string })
    connections = object({ name = string, arn = string, stream_arn = string, by_room_arn = string })
    devices     = object({ name = string, arn = string })
    limits      = object({ name = string, arn = string })
    places      = object({ name = string, arn = string })
    sessions    = object({ name = string, arn = string })
    tenants     = optional(object({ name = string, arn = string }))
    placements  = optional(object({ name = string, arn = string }))
  })
}

variable "cells" {
  description = "The further cells of a hub: account and external id by name, and all that is declared of them as functions read it; null: there are none."
  type = object({
    declared = map(object({ account_id = string, external_id = string }))
    json     = string
  })
  default = null
}

variable "hub" {
  description = "The hub as a further cell knows it: the output `cells` of the stack `hub`, under the cell's name; null: this is the hub."
  type = object({
    name           = string
    hub_region     = string
    hub_account_id = string
    role           = object({ external_id = string })
    messages       = optional(object({ role_arn = string, queue_url = string, placements_table = string }))
  })
  default = null
}

variable "websocket_api" {
  description = "Endpoint that posts go to, and what posting and closing are allowed on: outputs of the module `websocket_api`."
  type        = object({ callback_endpoint = string, post_arn = string, close_arn = string })
}

variable "max_receive_count" {
  description = "Number of tries before a frame is given up."
  type        = number
  default     = 5

  validation {
    condition     = var.max_receive_count >= 5 && var.max_receive_count <= 500
    error_message = "max_receive_count must be from 5 to 500: Lambda's pollers alone can receive a message a few times."
  }
}
