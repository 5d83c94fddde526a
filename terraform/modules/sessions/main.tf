# Sessions: `session_api` opens and ends the sessions of a tenant, `end_session` closes the connections of those that ended.

locals {
  tenants     = aws_dynamodb_table.tenants
  sessions    = aws_dynamodb_table.sessions
  places      = aws_dynamodb_table.places
  broadcasts  = var.tables.broadcasts
  connections = var.tables.connections
}
