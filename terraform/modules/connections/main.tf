# Connections: `authorizer` and `connect` let a client in, `disconnect` deletes what has closed, `accounting` counts, and
# `reconcile` repairs what was lost on the way.

locals {
  connections = aws_dynamodb_table.connections
  devices     = aws_dynamodb_table.devices
  partitions  = aws_dynamodb_table.partitions
  limits      = var.tables.limits
  sessions    = var.tables.sessions
  tenants     = var.tables.tenants
}
