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

    CELL_WEIGHTS     = try(var.cells.weights, null)
    CELLS_TABLE      = try(var.tables.cells.name, null)
    HOME_CONNECTIONS = try(var.cells.home_connections, null)
    LEASE_SECONDS    = try(var.cells.lease_seconds, null)
  }

  statements = merge(local.read_cells, {
    ReadTenantAndSession = {
      actions   = ["dynamodb:GetItem"]
      resources = [local.tenants.arn, local.sessions.arn]
    }
    AssignPartition = {
      actions   = ["dynamodb:PutItem", "dynamodb:Query"]
      resources = [local.partitions.arn]
    }
  })
}

locals {
  # The hub's own cell takes its part of a tenant's limits, by the leases of the others.
  read_cells = {
    for sid, statement in {
      ReadCells = { actions = ["dynamodb:BatchGetItem"], resources = [try(var.tables.cells.arn, null)] }
    } : sid => statement if var.cells != null
  }
}
