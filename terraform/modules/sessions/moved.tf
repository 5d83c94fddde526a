# The queue of work moved into a module. Nothing in AWS is replaced.

moved {
  from = aws_sqs_queue.beat[0]
  to   = module.beat_queue.aws_sqs_queue.this["beat"]
}

moved {
  from = aws_lambda_event_source_mapping.beat[0]
  to   = module.beat_queue.aws_lambda_event_source_mapping.this["beat"]
}
