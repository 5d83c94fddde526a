# The description of the hub for the operator's commands, and their role.

variable "operators" {
  description = "ARNs of the roles and users that may assume the operator's role, or of an account's root, which lets its administrators decide; none: there is no such role."
  type        = set(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.operators : can(regex("^arn:aws[a-z-]*:iam::[0-9]{12}:(root|(role|user)/[A-Za-z0-9+=,.@_/-]+)$", arn))])
    error_message = "operators: each must be the ARN of a role, of a user, or of an account's root, without wildcards."
  }
}

module "operations" {
  source = "../../modules/operations"

  deployment  = module.deployment.deployment
  description = local.description
  operators   = var.operators
  tables      = module.cell.tables
  queues      = module.cell.queues
  functions   = merge(module.cell.functions, module.control.functions)
  http_api_id = module.control.http_api_id
  close_arn   = module.cell.websocket_api.close_arn
}

locals {
  # The other outputs that commands use: tests/unit/repository/test_description.py compares the two.
  description = {
    http_url          = module.control.http_url
    websocket_url     = module.cell.websocket_api.url
    callback_endpoint = module.cell.websocket_api.callback_endpoint
    auth              = var.auth
    cells             = { for name, cell in var.cells : name => { account_id = cell.account_id, region = cell.region } }

    # Facts that commands wait for.
    timeouts                 = { for name, settings in local.functions : name => settings.timeout }
    shards                   = module.cell.shards
    message_lifetime_seconds = module.cell.message_lifetime_seconds
    report_grace_seconds     = module.cell.report_grace_seconds
  }
}
