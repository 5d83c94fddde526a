# An example: the accounts of dev, staging and production are 222222222222, 333333333333 and 444444444444.
environment       = "dev"
account_id        = "222222222222"
hub_account_id    = "222222222222"
region            = "eu-central-1"
github_repository = "example/loudhailer"

# The images lie where nobody who may deploy to a lesser environment can touch them.
images = { account_id = "444444444444", prefix = "loudhailer-production" }
