# Queues of work moved into modules. Nothing in AWS is replaced.

moved {
  from = aws_sqs_queue.inbox
  to   = module.inbox_queue.aws_sqs_queue.this["inbox"]
}

moved {
  from = aws_sqs_queue.inbox_failure
  to   = module.inbox_queue.aws_sqs_queue.failure[0]
}

moved {
  from = aws_sqs_queue_redrive_policy.inbox
  to   = module.inbox_queue.aws_sqs_queue_redrive_policy.this["inbox"]
}

moved {
  from = aws_lambda_event_source_mapping.relay_message
  to   = module.inbox_queue.aws_lambda_event_source_mapping.this["inbox"]
}

moved {
  from = aws_sqs_queue.forward
  to   = module.forward_queues.aws_sqs_queue.this
}

moved {
  from = aws_sqs_queue.forward_failure[0]
  to   = module.forward_queues.aws_sqs_queue.failure[0]
}

moved {
  from = aws_sqs_queue_redrive_policy.forward
  to   = module.forward_queues.aws_sqs_queue_redrive_policy.this
}

moved {
  from = aws_lambda_event_source_mapping.forward_message
  to   = module.forward_queues.aws_lambda_event_source_mapping.this
}

moved {
  from = aws_sqs_queue.this
  to   = module.echo_queues.aws_sqs_queue.this
}

moved {
  from = aws_sqs_queue.dead_letter
  to   = module.echo_queues.aws_sqs_queue.failure[0]
}

moved {
  from = aws_sqs_queue_redrive_policy.this
  to   = module.echo_queues.aws_sqs_queue_redrive_policy.this
}

moved {
  from = aws_lambda_event_source_mapping.echo
  to   = module.echo_queues.aws_lambda_event_source_mapping.this
}

moved {
  from = aws_lambda_event_source_mapping.this
  to   = aws_lambda_event_source_mapping.echo
}
