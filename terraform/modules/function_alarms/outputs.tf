output "alarms" {
  description = "Function and metric of each alarm, by the alarm's name without the prefix."
  value       = { for name, alarm in local.alarms : name => { function = alarm.function, metric = alarm.metric } }
}
