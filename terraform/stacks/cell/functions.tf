# Timeout, memory and concurrency of every function, by its name: the hub's defaults, for the functions that a further cell has.

variable "functions" {
  description = "Settings by function, if they differ from the defaults: timeout in seconds, memory in MB, reserved and provisioned concurrency: see the stack `hub`."
  type = map(object({
    timeout     = optional(number)
    memory      = optional(number)
    reserved    = optional(number)
    provisioned = optional(number)
  }))
  default = {}

  validation {
    condition     = length(setsubtract(keys(var.functions), keys(local.function_defaults))) == 0
    error_message = "functions: there is no ${join(", no ", setsubtract(keys(var.functions), keys(local.function_defaults)))}; the names are ${join(", ", keys(local.function_defaults))}."
  }
  validation {
    condition     = coalesce(try(var.functions.connect.timeout, null), 28) >= 28
    error_message = "functions: connect needs a timeout of 28 seconds at least, of which it keeps 24 for its slowest calls: with less it tries no transaction again."
  }
}

locals {
  # Settings that differ from 10 seconds, 512 MB, and no reserved concurrency.
  function_defaults = {
    accounting         = { timeout = 30 }
    accounting-members = { timeout = 30 }
    authorizer         = {}
    beat               = { timeout = 20 }
    connect            = { timeout = 28 }
    default_route      = { timeout = 5 }
    disconnect         = {}
    echo               = {}
    end_session        = { timeout = 30 }
    join_room          = {}
    leave_channels     = { timeout = 20 }
    presence           = { timeout = 30 }
    query              = { timeout = 20 }
    reconcile          = { timeout = 60 }
    reconcile-members  = { timeout = 60 }
    relay_message      = {}
    report             = { timeout = 30 }
    send_message       = {}
    settle             = { timeout = 20 }
    subscribe          = {}
    swarm              = { timeout = 20 }

    # They are busy with signatures and TLS: each gets a whole vCPU.
    post_message         = { memory = 1769 }
    post_message-rooms   = { memory = 1769 }
    post_message-express = { memory = 1769, timeout = 7 }
  }

  functions = {
    for name, defaults in local.function_defaults : name => merge(
      { timeout = 10, memory = 512, reserved = null, provisioned = null },
      defaults,
      { for setting, value in try(var.functions[name], {}) : setting => value if value != null },
    )
  }
}
