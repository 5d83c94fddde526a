# An example: the image's digest is passed by the release.
environment = "staging"
account_id  = "333333333333"
region      = "eu-central-1"

permissions_boundary = "arn:aws:iam::333333333333:policy/ci/loudhailer-staging-boundary"

alarm_topic_arn = "arn:aws:sns:eu-central-1:333333333333:alarms"

broadcast = {
  shards = { count = 8, concurrency = 2 }
}

# What a mass disconnect must not take from these.
functions = {
  authorizer   = { reserved = 100 }
  connect      = { reserved = 100 }
  disconnect   = { reserved = 100 }
  post_message = { reserved = 16 }
}
