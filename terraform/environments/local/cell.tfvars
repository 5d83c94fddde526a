region              = "us-east-1"
deletion_protection = false
deployment          = { log_retention_days = 1 }
messaging           = { silo_tenants = ["gold"] }

# As in the hub: a queue shows a message again only after six timeouts.
functions = {
  swarm                = { timeout = 5 }
  query                = { timeout = 5 }
  post_message         = { timeout = 5 }
  post_message-rooms   = { timeout = 5 }
  post_message-express = { timeout = 5 }
  settle               = { timeout = 5 }
  echo                 = { timeout = 5 }
}
