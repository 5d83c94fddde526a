module "disconnect" {
  source = "../lambda_function"

  name       = "disconnect"
  capability = "connections"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.disconnect

  variables = {
    CONNECTIONS_TABLE = local.connections.name
    CALLBACK_ENDPOINT = var.websocket_api.callback_endpoint
  }

  queues_read = { ReadKeys = [aws_sqs_queue.disconnect.arn] }

  statements = {
    # A member of a room that missed a message is closed, so that its client knows.
    Close = {
      actions   = ["execute-api:ManageConnections"]
      resources = [var.websocket_api.close_arn]
    }
    # In its own name, not as one tenant: docs/decisions/0038.
    DeleteConnection = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
      resources = [local.connections.arn]
    }
  }

  # Permissions of the former release's `disconnect`.
  tenant_statements = {
    for sid, statement in {
      DeleteConnection = {
        actions      = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
        resources    = [local.connections.arn]
        leading_keys = ["{tenantId}#*"]
      }
    } : sid => statement if var.deployment.former_release
  }
}

# The keys of connections that closed, or are to be closed. A message whose row cannot be deleted is delivered again;
# the row of a message that is given up expires.
resource "aws_sqs_queue" "disconnect" {
  name                      = "${var.deployment.prefix}-disconnect"
  message_retention_seconds = 7200
  sqs_managed_sse_enabled   = true

  # Six times the function's timeout, as AWS asks for.
  visibility_timeout_seconds = 6 * var.functions.disconnect.timeout
}

# No batching window, so that leaves are announced at once. A crowd that ends together takes no more concurrency than
# this.
resource "aws_lambda_event_source_mapping" "disconnect" {
  event_source_arn        = aws_sqs_queue.disconnect.arn
  function_name           = module.disconnect.alias.arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]

  scaling_config {
    maximum_concurrency = 10
  }
}
