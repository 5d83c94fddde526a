# Bucket, key and Region are in environments/<environment>/cell.tfbackend. A local stack keeps its state in a file: an override says so.
terraform {
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}
