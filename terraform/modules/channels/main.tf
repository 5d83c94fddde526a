# Channels: the rows of subscriptions and members. `leave_channels` ends them with their connections. The members are counted and
# repaired as connections are, by instances of `accounting` and `reconcile` on their tables.

locals {
  members       = aws_dynamodb_table.members
  audiences     = aws_dynamodb_table.audiences
  subscriptions = aws_dynamodb_table.subscriptions
  connections   = var.tables.connections
}
