module "authorizer" {
  source = "../lambda_function"

  name       = "authorizer"
  capability = "connections"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.authorizer

  variables = {
    TENANTS_TABLE             = local.tenants.name
    SESSIONS_TABLE            = local.sessions.name
    PARTITIONS_TABLE          = local.partitions.name
    CONNECTIONS_PER_PARTITION = var.settings.connections_per_partition
    MAX_PARTITIONS            = var.settings.max_partitions
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
