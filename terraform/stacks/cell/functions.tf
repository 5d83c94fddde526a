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
  # https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html
  validation {
    condition = sum(concat([100], [
      for name, function in var.functions : function.reserved * (name == "echo" ? local.echo_consumers : 1) if function.reserved != null
    ])) <= max(var.lambda_concurrency, 100)
    error_message = "functions: what is reserved must leave 100 of lambda_concurrency to all other functions: AWS refuses to reserve more."
  }
}

variable "lambda_concurrency" {
  description = "The account's quota of concurrent executions of Lambda, L-B99A9384: new accounts may have less than 1,000."
  type        = number
  default     = 1000

  validation {
    condition     = var.lambda_concurrency >= 10
    error_message = "lambda_concurrency must be at least 10, which the smallest account has."
  }
}

locals {
  # One for the pool, and one for each silo: each has the concurrency that is reserved for `echo`.
  echo_consumers = 1 + length(try(var.messaging.silo_tenants, []))

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
    publish_frame      = {}
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
