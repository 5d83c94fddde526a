output "alarms" {
  description = "What each alarm watches, by its name without the prefix: the function and the metric."
  value       = { for name, alarm in local.alarms : name => { function = alarm.function, metric = alarm.metric } }
}
