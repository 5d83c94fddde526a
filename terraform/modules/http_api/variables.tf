variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "routes" {
  description = "Alias of the function behind each route (output of the module `lambda_function`), who may call it (none, public, iam or jwt), scopes of which a token must have one, and the route's own throttle."
  type = map(object({
    alias    = any
    auth     = string
    scopes   = optional(set(string), [])
    throttle = optional(object({ rate = number, burst = number }))
  }))

  validation {
    condition     = alltrue([for key in keys(var.routes) : can(regex("^(GET|PUT|POST|PATCH|DELETE) /[A-Za-z0-9_./{}-]*$", key))])
    error_message = "routes: a key must be a method and a path, as in GET /broadcast/{id}."
  }
  validation {
    condition     = alltrue([for route in var.routes : contains(["none", "public", "iam", "jwt"], route.auth)])
    error_message = "routes: auth must be none, public, iam or jwt."
  }
  validation {
    condition     = alltrue([for key, route in var.routes : route.auth != "public" || startswith(key, "GET ")])
    error_message = "routes: auth public is for what everyone may read: the method must be GET."
  }
  validation {
    condition     = alltrue([for route in var.routes : length(route.scopes) == 0 || route.auth == "jwt"])
    error_message = "routes: scopes are those of tokens: auth must be jwt."
  }
  validation {
    condition     = alltrue(flatten([for route in var.routes : [for scope in route.scopes : can(regex("^[!#-\\[\\]-~]{1,64}$", scope))]]))
    error_message = "routes: a scope must be 1 to 64 printable ASCII characters without space, quote or backslash."
  }
  validation {
    condition     = var.deployment.environment == "local" || alltrue([for route in var.routes : route.auth != "none"])
    error_message = "routes: auth none is refused outside the environment local; use iam or jwt, or public for what holds no data."
  }
}

variable "jwt" {
  description = "Issuer and audience of the tokens for routes with auth jwt."
  type        = object({ issuer = string, audience = list(string) })
  default     = null

  validation {
    condition     = var.jwt == null ? true : startswith(var.jwt.issuer, "https://") && length(var.jwt.audience) > 0
    error_message = "jwt must have an issuer that begins with https:// and at least one audience."
  }
  validation {
    condition     = var.jwt != null || alltrue([for route in var.routes : route.auth != "jwt"])
    error_message = "jwt must be set when a route has auth jwt."
  }
}

variable "settings" {
  description = "Origins whose pages may call the API, empty: none; and requests per second, and bucket, of every route that has no throttle of its own: they share the account's quota with posts."
  type = object({
    cors_origins = optional(set(string), [])
    throttle     = optional(object({ rate = optional(number, 500), burst = optional(number, 500) }), {})
  })
  default = {}

  validation {
    condition     = alltrue([for origin in var.settings.cors_origins : origin == "*" || can(regex("^https?://[^/]+$", origin))])
    error_message = "http_api.cors_origins must be * or http(s)://host without a path."
  }
  validation {
    condition     = var.settings.throttle.rate > 0 && var.settings.throttle.burst > 0
    error_message = "http_api.throttle.rate and http_api.throttle.burst must be above 0."
  }
}

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null

  validation {
    condition     = var.aws_endpoint == null ? true : can(regex("^https?://[^/]+$", var.aws_endpoint))
    error_message = "aws_endpoint must be null or http(s)://host:port without a path."
  }
}
