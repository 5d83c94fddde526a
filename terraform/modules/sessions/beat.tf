# In a further cell: renews the cell's lease and copies the hub's tenants, every few seconds.

module "beat" {
  source = "../lambda_function"
  count  = var.hub == null ? 0 : 1

  name       = "beat"
  capability = "sessions"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.beat

  variables = {
    CELL_NAME         = var.hub.name
    TENANTS_TABLE     = local.tenants.name
    PARTITIONS_TABLE  = var.tables.partitions.name
    WEBSOCKET_URL     = var.websocket_api.url
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
    BEAT_QUEUE_URL    = module.beat_queue.queues["beat"].url
    BEAT_SECONDS      = var.hub.placement.beat_seconds
    LEASE_SECONDS     = var.hub.placement.lease_seconds
    CELL_WEIGHTS      = jsonencode(var.hub.weights)
    HOME_CONNECTIONS  = var.hub.placement.home_connections
    HUB_ROLE_ARN      = var.hub.role.arn
    HUB_EXTERNAL_ID   = var.hub.role.external_id
    HUB_REGION        = var.hub.hub_region
    HUB_CELLS_TABLE   = var.hub.tables.cells
    HUB_TENANTS_TABLE = var.hub.tables.tenants
  }

  queues_read = { ReadTicks = [module.beat_queue.queues["beat"].arn] }

  statements = {
    CopyTenants = {
      actions   = ["dynamodb:PutItem", "dynamodb:Scan"]
      resources = [local.tenants.arn]
    }
    CountConnections = {
      actions   = ["dynamodb:Scan"]
      resources = [var.tables.partitions.arn]
    }
    AskTheApi = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.look_up_arn]
    }
    Tick = {
      actions   = ["sqs:SendMessage"]
      resources = [module.beat_queue.queues["beat"].arn]
    }
    ActInTheHub = {
      actions   = ["sts:AssumeRole"]
      resources = [var.hub.role.arn]
    }
  }
}

# The ticks within a minute, which a schedule cannot have. A late tick is useless.
module "beat_queue" {
  source = "../work_queue"

  prefix              = var.deployment.prefix
  names               = [for hub in var.hub[*] : "beat"]
  readers             = { for beat in module.beat : "beat" => beat.alias.arn }
  timeout             = try(var.functions.beat.timeout, 1)
  retention_seconds   = 120
  batch_size          = 1
  maximum_concurrency = 2
}

resource "aws_cloudwatch_event_rule" "beat" {
  count = var.hub == null ? 0 : 1

  name                = "${var.deployment.prefix}-beat"
  description         = "Renews the cell's lease at the hub."
  schedule_expression = "rate(1 minute)"
}

resource "aws_cloudwatch_event_target" "beat" {
  count = var.hub == null ? 0 : 1

  rule = aws_cloudwatch_event_rule.beat[0].name
  arn  = module.beat[0].alias.arn
}

resource "aws_lambda_permission" "beat" {
  count = var.hub == null ? 0 : 1

  function_name = module.beat[0].alias.function_name
  qualifier     = module.beat[0].alias.name
  action        = "lambda:InvokeFunction"
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.beat[0].arn
}

# The next tick is the retry.
resource "aws_lambda_function_event_invoke_config" "beat" {
  count = var.hub == null ? 0 : 1

  function_name                = module.beat[0].alias.function_name
  qualifier                    = module.beat[0].alias.name
  maximum_retry_attempts       = 0
  maximum_event_age_in_seconds = 60
}
