output "tables" {
  description = "Name and ARN of the tables `members`, `audiences` and `subscriptions`, and, at the hub, `history` and `publications`."
  value = merge(
    {
      members       = { name = aws_dynamodb_table.members.name, arn = aws_dynamodb_table.members.arn }
      audiences     = { name = aws_dynamodb_table.audiences.name, arn = aws_dynamodb_table.audiences.arn }
      subscriptions = { name = aws_dynamodb_table.subscriptions.name, arn = aws_dynamodb_table.subscriptions.arn }
    },
    { for table in aws_dynamodb_table.history : "history" => { name = table.name, arn = table.arn } },
    { for table in aws_dynamodb_table.publications : "publications" => { name = table.name, arn = table.arn } },
  )
}

output "queues" {
  description = "URL and ARN of every queue, by its name without the prefix."
  value = {
    accounting-members-failure = module.counting.failure_queue
    leave                      = module.leave_queue.queues["leave"]
    leave-failure              = module.leave_queue.failure_queue
  }
}

output "functions" {
  description = "Every function, by its name in the code; accounting-members and reconcile-members are instances: outputs of the module `lambda_function`."
  value = {
    accounting-members = module.counting.functions.accounting
    leave_channels     = module.leave_channels
    publish_frame      = module.publish_frame
    reconcile-members  = module.counting.functions.reconcile
    subscribe          = module.subscribe
  }
}
