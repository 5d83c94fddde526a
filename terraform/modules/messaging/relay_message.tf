module "relay_message" {
  source = "../lambda_function"

  name       = "relay_message"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.relay_message

  variables = {
    MESSAGES_TABLE        = local.messages.name
    CONNECTIONS_TABLE     = local.connections.name
    DEVICES_TABLE         = local.devices.name
    CALLBACK_ENDPOINT     = var.websocket_api.callback_endpoint
    INBOX_QUEUE_URL       = module.inbox_queue.queues["inbox"].url
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url

    # Only where there are further cells.
    CELL_NAME         = local.cell_name
    PLACEMENTS_TABLE  = try(var.hub.messages.placements_table, var.tables.placements.name, null)
    FORWARD_QUEUE_URL = try(var.hub.messages.queue_url, module.forward_queues.queues["hub"].url, null)
    HUB_ROLE_ARN      = try(var.hub.messages.role_arn, null)
    HUB_EXTERNAL_ID   = local.has_hub ? var.hub.role.external_id : null
    HUB_REGION        = local.has_hub ? var.hub.hub_region : null
  }

  queues_read = { ReadWakes = [module.inbox_queue.queues["inbox"].arn] }

  statements = merge(local.hand_over, {
    # Closing, too: a device that missed a message is closed, so that its client knows.
    Post = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.post_arn, var.websocket_api.close_arn]
    }
    # If time runs out, another wake is sent for the rest.
    SendWakes = {
      actions   = ["sqs:SendMessage"]
      resources = [module.inbox_queue.queues["inbox"].arn, var.broadcast.dead_letter_queue.arn]
    }
  })

  tenant_statements = merge({
    # If one device refuses a message, the devices that have it are noted.
    ReadAndEmptyInbox = {
      actions      = ["dynamodb:BatchWriteItem", "dynamodb:Query", "dynamodb:UpdateItem"]
      resources    = [local.messages.arn]
      leading_keys = ["{tenantId}#*"]
    }
    # Devices that are gone are deleted.
    FindConnections = {
      actions      = ["dynamodb:DeleteItem", "dynamodb:Query"]
      resources    = [local.devices.arn]
      leading_keys = ["{tenantId}#*"]
    }
    # Reads whether a connection has a row and whether it is new; deletes the row of a connection that is gone.
    ReadConnections = {
      actions      = ["dynamodb:BatchGetItem", "dynamodb:DeleteItem"]
      resources    = [local.connections.arn]
      leading_keys = ["{tenantId}#*"]
    }
  }, local.find_players)
}

# It sends a wake that it has no time for to the queue that it reads. Lambda takes that for a loop and would drop the
# message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "relay_message" {
  function_name  = module.relay_message.name
  recursive_loop = "Allow"
}

# One group an inbox: its wakes follow one another, and those of different inboxes go side by side. A wake that fails is
# received again after 2 s, 4 s and so on: five minutes in all. Its messages stay in the inbox, and the next wake delivers
# them. One wake an invocation: in a batch, the inboxes behind that of a receiver who is slow or throttled would wait for
# it. Slow wakes still leave most of the account's concurrency.
module "inbox_queue" {
  source = "../work_queue"

  prefix              = var.deployment.prefix
  names               = ["inbox"]
  readers             = { inbox = module.relay_message.alias.arn }
  timeout             = var.functions.relay_message.timeout
  fifo                = true
  batch_size          = 1
  maximum_concurrency = 200
  failure             = { name = "inbox-failure", receives = 9 }
}
