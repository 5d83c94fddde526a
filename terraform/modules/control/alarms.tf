# Publishers and tenants wait for the answers of these. The page's function needs no alarm: its users see its errors.
module "function_alarms" {
  source = "../function_alarms"

  prefix    = var.deployment.prefix
  topic_arn = var.deployment.alarm_topic_arn
  functions = { for name, alias in var.aliases : name => alias.function_name }
}
