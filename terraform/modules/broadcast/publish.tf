module "publish" {
  source = "../lambda_function"
  count  = var.control_plane ? 1 : 0

  name       = "publish"
  capability = "broadcast"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.publish

  variables = {
    TENANTS_TABLE            = local.tenants.name
    BROADCASTS_TABLE         = local.broadcasts.name
    BROADCAST_KEYS           = var.settings.keys
    BROADCAST_TOPIC_ARN      = aws_sns_topic.broadcast.arn
    MESSAGE_LIFETIME_SECONDS = var.settings.lifetime_seconds

    CELLS            = try(var.cells.json, null)
    CELLS_TABLE      = try(var.tables.cells.name, null)
    PLACEMENTS_TABLE = try(var.tables.placements.name, null)
  }

  statements = merge(local.find_cells, {
    ReadTenant = {
      actions   = ["dynamodb:GetItem"]
      resources = [local.tenants.arn]
    }
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [local.broadcasts.arn]
    }
    Publish = {
      actions   = ["sns:Publish"]
      resources = [aws_sns_topic.broadcast.arn]
    }
  })
}

locals {
  find_cells = {
    for sid, statement in {
      ReadCells      = { actions = ["dynamodb:BatchGetItem"], resources = [try(var.tables.cells.arn, null)] }
      ReadPlacements = { actions = ["dynamodb:Query"], resources = [try(var.tables.placements.arn, null)] }
    } : sid => statement if var.cells != null
  }
}

moved {
  from = module.publish
  to   = module.publish[0]
}
