# An example, for every further cell of dev: the image's digest is passed by the release, `hub` comes from the hub.
region = "eu-central-1"

alarm_topic_arn = "arn:aws:sns:eu-central-1:222222222222:alarms"
