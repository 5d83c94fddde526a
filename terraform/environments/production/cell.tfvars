# An example, for every further cell of production: the image's digest is passed by the release, `hub` comes from the hub.
region = "eu-central-1"

alarm_topic_arn = "arn:aws:sns:eu-central-1:444444444444:alarms"
