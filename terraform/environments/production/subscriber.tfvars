# An example, for every subscriber of production: the image's digest is passed by the release, `cell` comes from the hub.
region = "eu-central-1"
