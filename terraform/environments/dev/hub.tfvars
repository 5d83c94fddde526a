# An example: the image's digest is passed by the release.
environment = "dev"
account_id  = "222222222222"
region      = "eu-central-1"

permissions_boundary = "arn:aws:iam::222222222222:policy/ci/loudhailer-dev-boundary"

alarm_topic_arn = "arn:aws:sns:eu-central-1:222222222222:alarms"

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
