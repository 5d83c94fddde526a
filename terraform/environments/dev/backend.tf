# Bucket and key come from hub.tfbackend: one bucket an account.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
