output "package" {
  description = "The package as the module lambda_function takes it."
  value = {
    image = var.package.image
    zip   = one([for zip in aws_s3_object.zip : { bucket = zip.bucket, key = zip.key, hash = zip.source_hash }])
  }
}
