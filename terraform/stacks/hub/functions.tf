# Timeout, memory and concurrency of every function, by its name.

variable "functions" {
  description = "Settings by function, if they differ from the defaults: timeout in seconds, memory in MB, reserved concurrency, and provisioned concurrency for a spike that is known beforehand; post_message posts for the shards, post_message-rooms for large rooms, post_message-express small broadcasts."
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
  # AWS bounds a function at ten requests a second for each reserved execution, however short they are. A fifth of the rate
  # leaves 200 ms for each handshake: https://docs.aws.amazon.com/lambda/latest/dg/lambda-concurrency.html
  validation {
    condition = alltrue([
      for name in ["authorizer", "connect"] :
      coalesce(try(var.functions[name].reserved, null), var.connects.per_second) * 5 >= var.connects.per_second
    ])
    error_message = "functions: authorizer and connect must have none reserved, or at least a fifth of connects.per_second, ${var.connects.per_second}: else they are throttled at that rate."
  }
}

variable "warm" {
  description = "One environment of each function on the way of a broadcast is kept warm, where functions sets no other number: the first one after a pause finds nothing to start."
  type        = bool
  default     = false
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
    connect            = { timeout = 28 }
    console            = {}
    default_route      = { timeout = 5 }
    disconnect         = {}
    echo               = {}
    end_session        = { timeout = 30 }
    forward_message    = { timeout = 20 }
    join_room          = {}
    leave_channels     = { timeout = 20 }
    presence           = { timeout = 30 }
    publish            = { memory = 1024 }
    publish_frame      = {}
    query              = { timeout = 20 }
    reconcile          = { timeout = 60 }
    reconcile-members  = { timeout = 60 }
    relay_message      = {}
    send_message       = {}
    session_api        = {}
    settle             = { timeout = 20 }
    subscribe          = {}
    swarm              = { timeout = 20 }

    # They are busy with signatures and TLS: each gets a whole vCPU.
    post_message         = { memory = 1769 }
    post_message-rooms   = { memory = 1769 }
    post_message-express = { memory = 1769, timeout = 7 }
  }

  # Through which a broadcast goes, small or large.
  broadcast_functions = ["post_message", "post_message-express", "publish", "query", "settle", "swarm"]

  functions = {
    for name, defaults in local.function_defaults : name => merge(
      { timeout = 10, memory = 512, reserved = null, provisioned = null },
      { for setting in ["provisioned"] : setting => 1 if var.warm && contains(local.broadcast_functions, name) },
      defaults,
      { for setting, value in try(var.functions[name], {}) : setting => value if value != null },
    )
  }
}
