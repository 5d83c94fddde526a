environment = "local"
account_id  = "111111111111"
region      = "us-east-1"

deletion_protection = false
deployment          = { log_retention_days = 1 }

auth         = { broadcast = "none", session = "none" }
http_api     = { cors_origins = ["*"] }
list_tenants = true
messaging    = { silo_tenants = ["gold"] }
console      = { enabled = true }

# A queue shows a message again only after six timeouts: seconds here, so that a failure is tried again while one watches.
functions = {
  swarm                = { timeout = 5 }
  query                = { timeout = 5 }
  post_message         = { timeout = 5 }
  post_message-rooms   = { timeout = 5 }
  post_message-express = { timeout = 5 }
  settle               = { timeout = 5 }
  echo                 = { timeout = 5 }
}

# In the local AWS everyone who has its secret is the root of an account.
operators = ["arn:aws:iam::111111111111:root"]
