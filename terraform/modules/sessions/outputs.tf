output "tables" {
  description = "Name and ARN of the tables `tenants`, `sessions`, `limits` and `places`, and, where there are further cells, `cells` and `placements`."
  value = merge({
    tenants  = { name = aws_dynamodb_table.tenants.name, arn = aws_dynamodb_table.tenants.arn }
    sessions = { name = aws_dynamodb_table.sessions.name, arn = aws_dynamodb_table.sessions.arn }
    limits   = { name = aws_dynamodb_table.limits.name, arn = aws_dynamodb_table.limits.arn }
    places   = { name = aws_dynamodb_table.places.name, arn = aws_dynamodb_table.places.arn }
    },
    { for table in aws_dynamodb_table.cells : "cells" => { name = table.name, arn = table.arn } },
    { for table in aws_dynamodb_table.placements : "placements" => { name = table.name, arn = table.arn } },
  )
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value = merge(
    { end-session-failure = { url = aws_sqs_queue.end_session_failure.url, arn = aws_sqs_queue.end_session_failure.arn } },
    module.beat_queue.queues,
  )
}

output "report_grace_seconds" {
  description = "Seconds after a broadcast's end in which a further cell may still report; null where there are none."
  value       = local.report_grace_seconds
}

output "functions" {
  description = "Every function, by its name in the code: outputs of the module `lambda_function`."
  value       = merge({ end_session = module.end_session }, { for api in module.session_api : "session_api" => api }, { for beat in module.beat : "beat" => beat })
}
