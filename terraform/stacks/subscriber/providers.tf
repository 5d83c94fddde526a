provider "aws" {
  region              = var.region
  allowed_account_ids = [var.cell.account_id]

  default_tags {
    tags = {
      Project     = "loudhailer"
      Environment = var.cell.environment
      Stack       = "subscriber"
    }
  }
}
