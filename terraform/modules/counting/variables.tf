variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "suffix" {
  description = "End of the names of both functions, which tells the instances of this module apart; null: that of connections."
  type        = string
  default     = null
}

variable "functions" {
  description = "Timeout, memory and concurrency of `accounting` and `reconcile`: see the stack `hub`."
  type        = any
}

variable "window_seconds" {
  description = "Seconds for which changes are gathered before they are counted."
  type        = number
}

variable "tables" {
  description = "Name and ARN of the table whose rows are counted, the ARN of its stream, and name and ARN of the table of their counts. Both have the form of the tables of the module `connections`."
  type = object({
    connections = object({ name = string, arn = string, stream_arn = string })
    partitions  = object({ name = string, arn = string })
  })
}

variable "session_tables" {
  description = "Name and ARN of the tables of sessions, of their tenants, and of the tenants' totals, if what is counted belongs to sessions; null: it does not."
  type = object({
    limits   = object({ name = string, arn = string })
    sessions = object({ name = string, arn = string })
    tenants  = object({ name = string, arn = string })
  })
  default = null
}
