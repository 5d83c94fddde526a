# Sessions: `session_api` opens and ends a tenant's sessions, `end_session` closes the connections of ended sessions.

locals {
  tenants     = aws_dynamodb_table.tenants
  sessions    = aws_dynamodb_table.sessions
  places      = aws_dynamodb_table.places
  limits      = aws_dynamodb_table.limits
  broadcasts  = var.tables.broadcasts
  connections = var.tables.connections
}
