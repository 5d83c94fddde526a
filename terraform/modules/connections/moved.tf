# The functions that count connections, and the queue of work, moved into modules. Nothing in AWS is replaced.

moved {
  from = module.accounting
  to   = module.counting.module.accounting
}

moved {
  from = module.reconcile
  to   = module.counting.module.reconcile
}

moved {
  from = aws_sqs_queue.accounting_failure
  to   = module.counting.aws_sqs_queue.accounting_failure
}

moved {
  from = aws_lambda_event_source_mapping.accounting
  to   = module.counting.aws_lambda_event_source_mapping.accounting
}

moved {
  from = aws_cloudwatch_event_rule.reconcile
  to   = module.counting.aws_cloudwatch_event_rule.reconcile
}

moved {
  from = aws_cloudwatch_event_target.reconcile
  to   = module.counting.aws_cloudwatch_event_target.reconcile
}

moved {
  from = aws_lambda_permission.reconcile
  to   = module.counting.aws_lambda_permission.reconcile
}

moved {
  from = aws_lambda_function_event_invoke_config.reconcile
  to   = module.counting.aws_lambda_function_event_invoke_config.reconcile
}

moved {
  from = aws_sqs_queue.disconnect
  to   = module.disconnect_queue.aws_sqs_queue.this["disconnect"]
}

moved {
  from = aws_lambda_event_source_mapping.disconnect
  to   = module.disconnect_queue.aws_lambda_event_source_mapping.this["disconnect"]
}
