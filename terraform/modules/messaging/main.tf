# Messages of clients: `send_message` and `join_room` for players and rooms, `relay_message` and `presence` behind them,
# `forward_message` between cells, `echo` for frames that are handled in order, and `default_route` for all others.

locals {
  messages    = aws_dynamodb_table.messages
  broadcasts  = var.tables.broadcasts
  connections = var.tables.connections
  devices     = var.tables.devices
  limits      = var.tables.limits
  places      = var.tables.places
  sessions    = var.tables.sessions
}
