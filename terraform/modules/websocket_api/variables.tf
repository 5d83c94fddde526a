variable "prefix" {
  description = "Beginning of every name."
  type        = string
}

variable "permissions_boundary" {
  description = "ARN of the policy that bounds every role; null: none does."
  type        = string
}

variable "log_retention_days" {
  description = "Days the access log is kept."
  type        = number
}

variable "stage" {
  description = "Name of the one stage."
  type        = string
  default     = "live"

  validation {
    condition     = can(regex("^[A-Za-z0-9_-]{1,128}$", var.stage))
    error_message = "stage must be 1 to 128 letters, digits, underscores and dashes."
  }
}

variable "authorizer" {
  description = "Alias of the function that authorises `$connect`: output of the module `lambda_function`."
  type        = any
}

variable "routes" {
  description = "Alias of the function behind each route, output of the module `lambda_function`; `reply` sends what it returns back to the client."
  type = map(object({
    alias = any
    reply = optional(bool, false)
  }))

  validation {
    condition     = length(setsubtract(["$connect", "$default"], keys(var.routes))) == 0
    error_message = "routes must contain $connect and $default."
  }
  validation {
    condition     = alltrue([for key in keys(var.routes) : key != "ping" && can(regex("^(\\$(connect|default)|[A-Za-z0-9_-]{1,128})$", key))])
    error_message = "routes: a key must be $connect, $default, or an action of letters, digits, underscores and dashes other than ping."
  }
  validation {
    condition     = alltrue([for key, route in var.routes : !route.reply if key == "$connect"])
    error_message = "routes: $connect cannot reply."
  }
}

variable "queue_routes" {
  description = "Queue that each route sends to: its name, where {tenantId} stands for the client's tenant, and the ARNs of all that it may mean."
  type        = map(object({ queue_name = string, queue_arns = list(string) }))

  validation {
    condition     = contains(keys(var.queue_routes), "$disconnect")
    error_message = "queue_routes must contain $disconnect."
  }
  validation {
    condition = alltrue([
      for key in keys(var.queue_routes) :
      can(regex("^(\\$disconnect|[A-Za-z0-9_-]{1,64})$", key)) && !contains(concat(keys(var.routes), ["ping"]), key)
    ])
    error_message = "queue_routes: a key must be $disconnect, or an action of up to 64 letters, digits, underscores and dashes that routes do not have, and not ping."
  }
  validation {
    condition     = alltrue([for key in keys(var.queue_routes) : length("${var.prefix}-send-${trimprefix(key, "$")}") <= 64])
    error_message = "queue_routes: the role's name, <prefix>-send-<route>, must not be longer than 64 characters."
  }
  validation {
    condition = alltrue([
      for key, route in var.queue_routes :
      can(regex("^[A-Za-z0-9_-]+(\\{tenantId\\})?[A-Za-z0-9_-]*(\\.fifo)?$", route.queue_name))
      && endswith(route.queue_name, ".fifo") == (key != "$disconnect")
    ])
    error_message = "queue_routes: a queue's name must be letters, digits, underscores, dashes and at most one {tenantId}, and end with .fifo but for $disconnect."
  }
}

variable "throttle" {
  description = "Frames per second of $connect, $disconnect and ping each, and of all other routes together; bucket of the three each (`crowd_burst`), and of the others together (`burst`). Frames and posts share the account's quota."
  type        = object({ rate = number, burst = number, crowd_burst = number })

  validation {
    condition     = alltrue([for limit in values(var.throttle) : limit > 0])
    error_message = "throttle.rate, throttle.burst and throttle.crowd_burst must be above 0."
  }
}

variable "api_gateway_account" {
  description = "True if this module sets the role with which API Gateway writes logs: an account has one in a Region. False: another stack has set it."
  type        = bool
  default     = true
}

variable "gateway_endpoint" {
  description = "URL of the local stand-in for the data plane, such as http://127.0.0.1:8001; null in AWS."
  type        = string
  default     = null

  validation {
    condition     = var.gateway_endpoint == null ? true : can(regex("^https?://[^/]+$", var.gateway_endpoint))
    error_message = "gateway_endpoint must be null or http(s)://host:port without a path."
  }
}
