module "default_route" {
  source = "../lambda_function"

  name                    = "default_route"
  package                 = var.package
  deployment              = var.deployment
  timeout                 = local.timeouts.default_route
  memory                  = local.memory.default_route
  reserved_concurrency    = lookup(var.reserved_concurrency, "default_route", null)
  provisioned_concurrency = lookup(var.provisioned_concurrency, "default_route", null)
}
