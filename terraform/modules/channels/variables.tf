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
  description = "Timeout, memory and concurrency of `subscribe`, `publish_frame`, `leave_channels`, `accounting-members` and `reconcile-members`: see the stack `hub`."
  type        = any

  # SETTLED_SECONDS of `loudhailer.channels.model` is 60, of which clocks that differ need a part.
  validation {
    condition     = alltrue([for name in ["subscribe", "leave_channels"] : var.functions[name].timeout <= 20])
    error_message = "functions: subscribe and leave_channels must have a timeout of at most 20 seconds; a minute after a connection's end nothing may put a member for it."
  }

  validation {
    condition     = var.functions.publish_frame.timeout < 15
    error_message = "functions: publish_frame must have a timeout of less than 15 seconds; then a message is open to its client's next attempt."
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
    broadcasts  = object({ name = string, arn = string })
    connections = object({ name = string, arn = string })
    limits      = object({ name = string, arn = string })
    sessions    = object({ name = string, arn = string })
  })
}

variable "session_share" {
  description = "The most that one session gets of its tenant's minute."
  type        = number
}

variable "has_only_cell" {
  description = "True if all clients of the deployment are on this cell. Clients can publish to channels there alone: their messages reach no other cell."
  type        = bool
}

variable "broadcast" {
  description = "Topic, partition keys, lifetime and express queue of a broadcast, which a client's message to a channel is: outputs of the module `broadcast`."
  type = object({
    topic_arn          = string
    keys               = number
    lifetime_seconds   = number
    express_recipients = number
    express_queue      = object({ url = string, arn = string })
  })
}

variable "websocket_api" {
  description = "Endpoint that posts go to: output of the module `websocket_api`."
  type        = object({ callback_endpoint = string })
}
