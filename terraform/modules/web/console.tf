# The page. The page is public: it holds no data, and the routes that it calls authorise their callers.
module "console" {
  source = "../lambda_function"

  name       = "console"
  capability = "web"
  package    = var.package
  deployment = var.deployment
  settings   = var.functions.console

  # The API's id is not known here: its routes need the function. The function reads it from the request.
  variables = {
    PAGE_URL       = var.aws_endpoint == null ? "https://{domainName}/" : "${var.aws_endpoint}/_aws/execute-api/{apiId}/"
    WEBSOCKET_URL  = var.websocket_url
    LIST_TENANTS   = var.list_tenants
    SESSION_AUTH   = var.auth.session
    BROADCAST_AUTH = var.auth.broadcast
    CELL_REGIONS   = var.cells == null ? null : jsonencode(var.cells.regions)
    CELLS_TABLE    = try(var.cells.table.name, null)
  }

  # Their leases say at which hosts the page may be sent.
  statements = {
    for sid, statement in {
      ReadCells = { actions = ["dynamodb:BatchGetItem"], resources = [try(var.cells.table.arn, null)] }
    } : sid => statement if var.cells != null
  }
}
