variable "package" {
  description = "What the functions run: output of the module `package`."
  type        = any
}

variable "deployment" {
  description = "What all modules share: output of the module `deployment`."
  type        = any
}

variable "functions" {
  description = "Timeout, memory and concurrency of every function, by its name: see the stack `hub`."
  type        = any
}

variable "aliases" {
  description = "The live aliases of the cell's functions that answer the HTTP API, by their names in the code."
  type = object({
    publish     = object({ function_name = string, name = string, invoke_arn = string })
    session_api = object({ function_name = string, name = string, invoke_arn = string })
  })
}

variable "websocket_url" {
  description = "URL that clients connect to, without the query string."
  type        = string
}

variable "http_api" {
  description = "Settings of the HTTP API: see the module `http_api`."
  type        = any
  default     = {}
}

variable "auth" {
  description = "How callers of the routes of broadcasts, and of those of sessions, are authorised: see the stack `hub`."
  type        = object({ broadcast = string, session = string })
}

variable "jwt" {
  description = "Who issues the tokens for auth jwt, for whom, and what is in them; null: nobody. See the stack `hub`."
  type        = any
  default     = null
}

variable "list_tenants" {
  description = "GET /tenant lists the tenants, to everyone who may call it."
  type        = bool
}

variable "console" {
  description = "Whether GET / serves the web page, to everyone; what the page calls asks who is calling all the same."
  type        = object({ enabled = bool })
}

variable "aws_endpoint" {
  description = "URL of the local AWS, such as http://127.0.0.1:4566; null in AWS."
  type        = string
  default     = null
}
