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
  }

  statements = {
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
  }
}

moved {
  from = module.publish
  to   = module.publish[0]
}
