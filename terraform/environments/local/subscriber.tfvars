region     = "us-east-1"
deployment = { log_retention_days = 1 }
