variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "broadcast" {
  description = "Settings of broadcasts: see the module `broadcast`."
  type        = any
  default     = {}
}

variable "connections" {
  description = "Settings of connections: see the module `connections`."
  type        = any
  default     = {}
}

variable "messaging" {
  description = "Settings of messages: see the module `messaging`."
  type        = any
  default     = {}
}

variable "session_api" {
  description = "Authorisation of the routes of sessions: none, iam or jwt; the claim of their tokens that names the tenant; whether GET /tenant lists the tenants; and the rate at which clients are let in. null: a further cell, which has neither session_api nor publish."
  type = object({
    session_auth = string
    tenant_claim = string
    list_tenants = bool
    connects     = object({ per_second = number, reserve = number })
  })
  default = null
}

variable "hub" {
  description = "The hub as a further cell knows it: the output `cells` of the stack `hub`, under the cell's name; null: this is the hub."
  type        = any
  default     = null
}

variable "cells" {
  description = "The further cells of a hub, and how sessions are placed on them: see the modules `broadcast` and `sessions`; null: there are none."
  type        = any
  default     = null
}

variable "functions" {
  description = "Timeout, memory and concurrency of every function, by its name: see the stack `hub`."
  type        = any
}

variable "quota" {
  description = "The account's API Gateway quota and how posts share it: see the stack `hub`."
  type        = any
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute: see the stack `hub`."
  type        = number
}

variable "subscribers" {
  description = "Other accounts whose post_message works for this cell, by name: see the module `broadcast`."
  type        = any
  default     = {}
}

variable "api_gateway_account" {
  description = "True if this module sets the role with which API Gateway writes logs: see the module websocket_api."
  type        = bool
  default     = true
}

variable "gateway_endpoint" {
  description = "URL of the local stand-in for the data plane, such as http://127.0.0.1:8001; null in AWS."
  type        = string
  default     = null
}
