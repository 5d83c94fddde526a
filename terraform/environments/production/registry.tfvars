# An example: the accounts of dev, staging and production are 222222222222, 333333333333 and 444444444444.
environment    = "production"
account_id     = "444444444444"
hub_account_id = "444444444444"
region         = "eu-central-1"

# sub_claim_prefix of `gh api repos/example/loudhailer/actions/oidc/customization/sub`
github_subject_prefix = "repo:example@1234567/loudhailer@123456789"

# The images lie where nobody who may deploy to a lesser environment can touch them.
images = { account_id = "444444444444", prefix = "loudhailer-production" }

accounts = {
  dev        = { account_id = "222222222222" }
  staging    = { account_id = "333333333333" }
  production = { account_id = "444444444444" }
  dev-north  = { account_id = "666666666666" }
  dev-blue   = { account_id = "555555555555" }
}
