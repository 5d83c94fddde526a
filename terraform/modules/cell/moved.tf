# Each capability became a module, in which its functions and tables are. Nothing in AWS is replaced.

moved {
  from = module.connection_store
  to   = module.connections
}

moved {
  from = module.tenancy.aws_dynamodb_table.tenants
  to   = module.sessions.aws_dynamodb_table.tenants
}

moved {
  from = module.tenancy.aws_dynamodb_table.sessions
  to   = module.sessions.aws_dynamodb_table.sessions
}

moved {
  from = module.tenancy.aws_dynamodb_table.limits
  to   = module.sessions.aws_dynamodb_table.limits
}

moved {
  from = module.tenancy.aws_dynamodb_table.places
  to   = module.sessions.aws_dynamodb_table.places
}

moved {
  from = module.tenancy.aws_dynamodb_table.messages
  to   = module.messaging.aws_dynamodb_table.messages
}

moved {
  from = module.swarm
  to   = module.broadcast.module.swarm
}

moved {
  from = module.query
  to   = module.broadcast.module.query
}

moved {
  from = module.post_message
  to   = module.broadcast.module.post_message
}

moved {
  from = module.post_message_rooms
  to   = module.broadcast.module.post_message_rooms
}

moved {
  from = module.settle
  to   = module.broadcast.module.settle
}

moved {
  from = aws_lambda_function_recursion_config.post_message
  to   = module.broadcast.aws_lambda_function_recursion_config.post_message
}

moved {
  from = aws_lambda_function_recursion_config.post_message_rooms
  to   = module.broadcast.aws_lambda_function_recursion_config.post_message_rooms
}

moved {
  from = aws_lambda_function_recursion_config.settle
  to   = module.broadcast.aws_lambda_function_recursion_config.settle
}

moved {
  from = aws_iam_role.subscriber
  to   = module.broadcast.aws_iam_role.subscriber
}

moved {
  from = aws_iam_role_policy.subscriber
  to   = module.broadcast.aws_iam_role_policy.subscriber
}

moved {
  from = module.accounting
  to   = module.connections.module.accounting
}

moved {
  from = module.authorizer
  to   = module.connections.module.authorizer
}

moved {
  from = module.connect
  to   = module.connections.module.connect
}

moved {
  from = module.disconnect
  to   = module.connections.module.disconnect
}

moved {
  from = module.reconcile
  to   = module.connections.module.reconcile
}

moved {
  from = aws_sqs_queue.accounting_failure
  to   = module.connections.aws_sqs_queue.accounting_failure
}

moved {
  from = aws_lambda_event_source_mapping.accounting
  to   = module.connections.aws_lambda_event_source_mapping.accounting
}

moved {
  from = aws_sqs_queue.disconnect
  to   = module.connections.aws_sqs_queue.disconnect
}

moved {
  from = aws_lambda_event_source_mapping.disconnect
  to   = module.connections.aws_lambda_event_source_mapping.disconnect
}

moved {
  from = aws_cloudwatch_event_rule.reconcile
  to   = module.connections.aws_cloudwatch_event_rule.reconcile
}

moved {
  from = aws_cloudwatch_event_target.reconcile
  to   = module.connections.aws_cloudwatch_event_target.reconcile
}

moved {
  from = aws_lambda_permission.reconcile
  to   = module.connections.aws_lambda_permission.reconcile
}

moved {
  from = aws_lambda_function_event_invoke_config.reconcile
  to   = module.connections.aws_lambda_function_event_invoke_config.reconcile
}

moved {
  from = module.default_route
  to   = module.messaging.module.default_route
}

moved {
  from = module.echo
  to   = module.messaging.module.echo
}

moved {
  from = module.join_room
  to   = module.messaging.module.join_room
}

moved {
  from = module.presence
  to   = module.messaging.module.presence
}

moved {
  from = module.relay_message
  to   = module.messaging.module.relay_message
}

moved {
  from = module.send_message
  to   = module.messaging.module.send_message
}

moved {
  from = aws_sqs_queue.presence_failure
  to   = module.messaging.aws_sqs_queue.presence_failure
}

moved {
  from = aws_lambda_event_source_mapping.presence
  to   = module.messaging.aws_lambda_event_source_mapping.presence
}

moved {
  from = aws_sqs_queue.inbox
  to   = module.messaging.aws_sqs_queue.inbox
}

moved {
  from = aws_sqs_queue.inbox_failure
  to   = module.messaging.aws_sqs_queue.inbox_failure
}

moved {
  from = aws_sqs_queue_redrive_policy.inbox
  to   = module.messaging.aws_sqs_queue_redrive_policy.inbox
}

moved {
  from = aws_lambda_event_source_mapping.relay_message
  to   = module.messaging.aws_lambda_event_source_mapping.relay_message
}

moved {
  from = aws_lambda_function_recursion_config.relay_message
  to   = module.messaging.aws_lambda_function_recursion_config.relay_message
}

moved {
  from = module.end_session
  to   = module.sessions.module.end_session
}

moved {
  from = aws_sqs_queue.end_session_failure
  to   = module.sessions.aws_sqs_queue.end_session_failure
}

moved {
  from = aws_lambda_event_source_mapping.end_session
  to   = module.sessions.aws_lambda_event_source_mapping.end_session
}
