module "leave_channels" {
  source = "../lambda_function"

  name       = "leave_channels"
  capability = "channels"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.leave_channels

  variables = {
    CONNECTIONS_TABLE     = local.connections.name
    MEMBERS_TABLE         = local.members.name
    SUBSCRIPTIONS_TABLE   = local.subscriptions.name
    LEAVE_QUEUE_URL       = module.leave_queue.queues["leave"].url
    DEAD_LETTER_QUEUE_URL = module.leave_queue.failure_queue.url
  }

  queues_read = { ReadEnds = [module.leave_queue.queues["leave"].arn] }

  # In its own name, not as one tenant: a crowd of a thousand tenants that ends would need most of what STS takes.
  statements = {
    DeleteConnection = {
      actions   = ["dynamodb:DeleteItem"]
      resources = [local.connections.arn]
    }
    DeleteMembers = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:PartiQLDelete"]
      resources = [local.members.arn]
    }
    EndSubscriptions = {
      actions   = ["dynamodb:DeleteItem", "dynamodb:GetItem", "dynamodb:PartiQLDelete", "dynamodb:Query"]
      resources = [local.subscriptions.arn]
    }
    # Its own queue too: if time runs out, the remaining connections are sent again.
    SendMessages = {
      actions   = ["sqs:SendMessage"]
      resources = [module.leave_queue.queues["leave"].arn, module.leave_queue.failure_queue.arn]
    }
  }
}

# It sends connections that it has no time for to the queue that it reads; each time one of them is ended. Lambda takes that
# for a loop and would drop them: https://docs.aws.amazon.com/lambda/latest/dg/invocation-recursion.html
resource "aws_lambda_function_recursion_config" "leave_channels" {
  function_name  = module.leave_channels.name
  recursive_loop = "Allow"
}

# Ends of connections and of subscriptions; some are sent with a delay. Members of connections that could not be ended
# expire, or are found by a 410. A crowd that ends together takes no more concurrency than this.
module "leave_queue" {
  source = "../work_queue"

  prefix              = var.deployment.prefix
  names               = ["leave"]
  readers             = { leave = module.leave_channels.alias.arn }
  timeout             = var.functions.leave_channels.timeout
  maximum_concurrency = 10
  failure             = { name = "leave-failure", receives = 10 }
}
