# An example: the image's digest is passed by the release.
environment = "staging"
account_id  = "333333333333"
region      = "eu-central-1"

permissions_boundary = "arn:aws:iam::333333333333:policy/ci/loudhailer-staging-boundary"

alarm_topic_arn = "arn:aws:sns:eu-central-1:333333333333:alarms"

shards = { count = 8, concurrency = 2 }

# What a mass disconnect must not take from these.
reserved_concurrency = {
  authorizer   = 100
  connect      = 100
  disconnect   = 100
  post_message = 16
}
