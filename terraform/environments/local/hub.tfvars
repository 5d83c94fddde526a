environment = "local"
account_id  = "111111111111"
region      = "us-east-1"

deletion_protection = false
log_retention_days  = 1

auth         = { broadcast = "none", session = "none" }
cors_origins = ["*"]
list_tenants = true
silo_tenants = ["gold"]
console      = { enabled = true }

# A queue shows a message again only after six timeouts: seconds here, so that a failure is tried again while one watches.
timeouts = {
  swarm        = 5
  query        = 5
  post_message = 5
  settle       = 5
  echo         = 5
}
