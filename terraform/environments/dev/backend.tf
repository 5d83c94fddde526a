# Bucket and key come from <stack>.tfbackend: one bucket an account, one key a stack.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
