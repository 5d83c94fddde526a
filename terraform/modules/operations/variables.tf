variable "deployment" {
  description = "Settings that all modules share: output of the module `deployment`."
  type        = any
}

variable "description" {
  description = "Outputs of the stack that the operator's commands use; none may be a secret."
  type        = any
}

variable "operators" {
  description = "ARNs of the principals that may assume the operator's role; none: there is no such role."
  type        = set(string)
}

variable "tables" {
  description = "Name and ARN of every table, by its name without the prefix."
  type        = map(object({ name = string, arn = string }))
}

variable "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  type        = map(object({ url = string, arn = string }))
}

variable "functions" {
  description = "Name of every function, by its name in the code."
  type        = map(string)
}

variable "http_api_id" {
  description = "Id of the HTTP API."
  type        = string
}

variable "close_arn" {
  description = "ARN of the command of the WebSocket API's management API that closes a connection."
  type        = string
}
