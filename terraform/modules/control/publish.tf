module "publish" {
  source = "../lambda_function"

  name                    = "publish"
  capability              = "broadcast"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.publish
  reserved_concurrency    = lookup(var.reserved_concurrency, "publish", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "publish", null)

  variables = {
    TENANTS_TABLE            = var.tables.tenants.name
    BROADCASTS_TABLE         = var.tables.broadcasts.name
    BROADCAST_KEYS           = var.broadcast_keys
    BROADCAST_TOPIC_ARN      = var.topic_arn
    MESSAGE_LIFETIME_SECONDS = var.message_lifetime_seconds
  }

  statements = {
    ReadTenant = {
      actions   = ["dynamodb:GetItem"]
      resources = [var.tables.tenants.arn]
    }
    RecordBroadcast = {
      actions   = ["dynamodb:GetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"]
      resources = [var.tables.broadcasts.arn]
    }
    Publish = {
      actions   = ["sns:Publish"]
      resources = [var.topic_arn]
    }
  }
}
