# A broadcast: `publish` puts it on the topic, `swarm` finds its sources, `query` the recipients of each, `post_message` posts to
# them, and `settle` reports. Queues lead from each function to the next.

data "aws_caller_identity" "current" {}

data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  broadcasts  = aws_dynamodb_table.broadcasts
  lanes       = aws_dynamodb_table.lanes
  connections = var.tables.connections
  devices     = var.tables.devices
  partitions  = var.tables.partitions
  members     = var.tables.members
  audiences   = var.tables.audiences
  sessions    = var.tables.sessions
  tenants     = var.tables.tenants

  queues = {
    for name, queue in merge(
      aws_sqs_queue.work, { dead-letter = aws_sqs_queue.dead_letter }, { for queue in aws_sqs_queue.report_failure : "report-failure" => queue },
    ) :
    name => { url = queue.url, arn = queue.arn }
  }
  shards       = [for shard in local.shard_names : local.queues[shard]]
  query_shards = slice(local.shards, 0, var.settings.shards.count)
  query_lanes  = var.settings.shards.count * var.settings.shards.concurrency
}
