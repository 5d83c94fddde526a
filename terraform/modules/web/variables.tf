variable "package" {
  description = "Code of the function: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "functions" {
  description = "Timeout, memory and concurrency of `console`: see the stack `hub`."
  type        = any
}

variable "auth" {
  description = "Authorisation of the routes of broadcasts and of sessions: none, iam or jwt. The page says so."
  type        = object({ broadcast = string, session = string })
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, so that the page can offer them."
  type        = bool
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

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null
}
