provider "aws" {
  region              = var.region
  allowed_account_ids = [var.hub.account_id]

  default_tags {
    tags = local.tags
  }
}

# A topic is subscribed in its own Region, from the queue's account:
# https://registry.terraform.io/providers/hashicorp/aws/latest/docs/resources/sns_topic_subscription
provider "aws" {
  alias               = "hub_region"
  region              = var.hub.hub_region
  allowed_account_ids = [var.hub.account_id]

  default_tags {
    tags = local.tags
  }
}

locals {
  tags = {
    Project     = "loudhailer"
    Environment = var.hub.environment
    Stack       = "cell"
  }
}
