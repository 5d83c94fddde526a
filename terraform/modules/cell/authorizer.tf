module "authorizer" {
  source = "../lambda_function"

  name                    = "authorizer"
  capability              = "connections"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.authorizer
  memory                  = local.memory.authorizer
  reserved_concurrency    = lookup(var.reserved_concurrency, "authorizer", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "authorizer", null)

  variables = {
    TENANTS_TABLE             = local.tenants.name
    SESSIONS_TABLE            = local.sessions.name
    PARTITIONS_TABLE          = local.partitions.name
    CONNECTIONS_PER_PARTITION = var.partitions.connections_per_partition
    MAX_PARTITIONS            = var.partitions.max_partitions
  }

  statements = {
    ReadTenantAndSession = {
      actions   = ["dynamodb:GetItem"]
      resources = [local.tenants.arn, local.sessions.arn]
    }
    AssignPartition = {
      actions   = ["dynamodb:PutItem", "dynamodb:Query"]
      resources = [local.partitions.arn]
    }
  }
}
