output "deployment" {
  description = "The settings that all modules share, checked and complete: their variable `deployment`."
  value = merge(var.settings, {
    prefix               = var.prefix
    environment          = var.environment
    permissions_boundary = var.permissions_boundary
    deletion_protection  = var.deletion_protection
    alarm_topic_arn      = var.alarm_topic_arn
  })
}
