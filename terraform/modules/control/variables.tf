variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "functions" {
  description = "Timeout, memory and concurrency of every function, by its name: see the stack `hub`."
  type        = any
}

variable "aliases" {
  description = "The live aliases of the cell's functions that answer the HTTP API, by their names in the code: outputs of the module `lambda_function`."
  type        = object({ publish = any, session_api = any })
}

variable "websocket_url" {
  description = "URL that clients connect to, without the query string."
  type        = string
}

variable "cells" {
  description = "Regions of the further cells, and the table of their leases: the page may connect to their APIs, since it follows its session to a cell; null: there are none."
  type        = object({ regions = map(string), table = object({ name = string, arn = string }) })
  default     = null
}

variable "http_api" {
  description = "Settings of the HTTP API: see the module `http_api`."
  type        = any
  default     = {}
}

variable "auth" {
  description = "Authorisation of the routes of broadcasts and of sessions: see the stack `hub`."
  type        = object({ broadcast = string, session = string })
}

variable "jwt" {
  description = "Issuer, audience and claims of the tokens for auth jwt; null: no tokens. See the stack `hub`."
  type        = any
  default     = null
}

variable "connects_per_second" {
  description = "Rate at which clients are let in to all cells together, of which each asks PUT /session several times; 0: none waits."
  type        = number
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, to everyone who may call it."
  type        = bool
}

variable "console" {
  description = "True if GET / serves the web page, to everyone; the routes that the page calls keep their authorisation."
  type        = object({ enabled = bool })
}

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null
}
