variable "package" {
  description = "Code of the functions: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "settings" {
  description = "Intended number of members of a partition; largest number of a pattern's partitions; and seconds for which changes of members are gathered: `settings` of the module `connections`, which checks them."
  type = object({
    connections_per_partition = optional(number, 1000)
    max_partitions            = optional(number, 2500)
    accounting_window         = optional(number, 1)
  })
  default = {}
}

variable "functions" {
  description = "Timeout, memory and concurrency of `subscribe`, `leave_channels`, `accounting-members` and `reconcile-members`: see the stack `hub`."
  type        = any

  # SETTLED_SECONDS of `loudhailer.channels.model` is 60, of which clocks that differ need a part.
  validation {
    condition     = alltrue([for name in ["subscribe", "leave_channels"] : var.functions[name].timeout <= 20])
    error_message = "functions: subscribe and leave_channels must have a timeout of at most 20 seconds; a minute after a connection's end nothing may put a member for it."
  }
}

variable "control_plane" {
  description = "True in the hub's own cell, which has the history of all channels."
  type        = bool
  default     = true
}

variable "tables" {
  description = "Name and ARN of the tables of other capabilities."
  type = object({
    connections = object({ name = string, arn = string })
    limits      = object({ name = string, arn = string })
    sessions    = object({ name = string, arn = string })
  })
}
