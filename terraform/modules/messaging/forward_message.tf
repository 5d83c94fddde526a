# In a hub with further cells: direct messages go from the cell of their sender to that of their receiver.

module "forward_message" {
  source = "../lambda_function"
  count  = var.cells == null ? 0 : 1

  name       = "forward_message"
  capability = "messaging"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.forward_message

  variables = {
    TENANTS_TABLE         = var.tables.tenants.name
    PLACEMENTS_TABLE      = var.tables.placements.name
    MESSAGES_TABLE        = local.messages.name
    PLACES_TABLE          = local.places.name
    FORWARD_QUEUES        = replace(module.forward_queues.queues["hub"].url, "-forward-hub.fifo", "-forward-{cell}.fifo")
    DEAD_LETTER_QUEUE_URL = var.broadcast.dead_letter_queue.url
    MESSAGES_PER_INBOX    = var.settings.messages_per_inbox
    CELLS                 = var.cells.json
    CELL_ROLE_ARN         = local.cell_role_arn
  }

  queues_read = { ReadRequests = values(module.forward_queues.queues)[*].arn }

  statements = merge(local.keep_inboxes, {
    ReadTenant = {
      actions   = ["dynamodb:GetItem"]
      resources = [var.tables.tenants.arn]
    }
    # A player without a placement is placed, and the cells of a tenant are read.
    PlacePlayers = {
      actions   = ["dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:Query"]
      resources = [var.tables.placements.arn]
    }
    ActInCells = {
      actions   = ["sts:AssumeRole"]
      resources = [for cell in var.cells.declared : replace(local.cell_role_arn, "{accountId}", cell.account_id)]
    }
    # For a player who came from another cell, or if time runs out; a malformed request is given up.
    SendRequests = {
      actions   = ["sqs:SendMessage"]
      resources = concat(values(module.forward_queues.queues)[*].arn, [var.broadcast.dead_letter_queue.arn])
    }
  })
}

# It sends a request that it has no time for to the queue that it reads. Lambda takes that for a loop and would drop the
# message: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "forward_message" {
  count = var.cells == null ? 0 : 1

  function_name  = module.forward_message[0].name
  recursive_loop = "Allow"
}

# A queue for each cell says which cell a request is from. One group an inbox, so that its messages are forwarded in order.
# A request that fails is received again after 2 s, 4 s and so on, then every minute. Not for longer than half an hour: SQS
# looks at the first 120,000 messages of a FIFO queue alone, so that those for a cell that is down would hold up all others.
# The messages of a request that is given up stay in their inbox, and the next request forwards them.
# https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/avoid-backlog-with-the-same-message-group-id.html
# One request an invocation: in a batch, other inboxes would wait for the one whose cell does not answer.
module "forward_queues" {
  source = "../work_queue"

  prefix              = "${var.deployment.prefix}-forward"
  names               = local.cells
  readers             = { for cell in local.cells : cell => module.forward_message[0].alias.arn }
  timeout             = try(var.functions.forward_message.timeout, 1)
  fifo                = true
  batch_size          = 1
  maximum_concurrency = 50
  failure             = var.cells == null ? null : { name = "failure", receives = 30 }
}
