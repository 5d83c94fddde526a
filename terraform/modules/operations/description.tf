# The operator's commands find the deployment by this: outputs of its stack, and no secret. The common beginning of names and
# of URLs is written once, so that a usual deployment fits into a standard parameter, of 4,096 characters.
# https://docs.aws.amazon.com/systems-manager/latest/userguide/parameter-store-advanced-parameters.html
resource "aws_ssm_parameter" "description" {
  #checkov:skip=CKV2_AWS_34:names and URLs are no secret, and every reader would need the key
  #checkov:skip=CKV_AWS_337:for the same reason
  name        = "/${var.deployment.prefix}/deployment"
  description = "Outputs of the stack, for `loudhailer --environment ${var.deployment.environment}`."
  type        = "String"
  tier        = length(local.text) > 4096 ? "Advanced" : "Standard"
  value       = local.text

  lifecycle {
    precondition {
      condition     = length(local.text) <= 8192
      error_message = "The description of the deployment has more than the 8,192 characters that a parameter of SSM takes: messaging.silo_tenants has too many tenants."
    }
  }
}

locals {
  text = jsonencode(merge(var.description, {
    for kind, names in local.names_of : kind => {
      common = local.common[kind]
      rest   = { for name, full in names : name => trimprefix(full, local.common[kind]) }
    }
  }))

  names_of = {
    tables     = { for name, table in var.tables : name => table.name }
    functions  = var.functions
    queue_urls = { for name, queue in var.queues : name => queue.url }
  }

  beginning = {
    tables     = "${var.deployment.prefix}-"
    functions  = "${var.deployment.prefix}-"
    queue_urls = trimsuffix(var.queues["dead-letter"].url, "dead-letter")
  }

  common = { for kind, names in local.names_of : kind => alltrue([for full in values(names) : startswith(full, local.beginning[kind])]) ? local.beginning[kind] : "" }
}
