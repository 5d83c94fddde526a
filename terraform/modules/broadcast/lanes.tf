# One row that says when each kind of lanes was last posting. Encrypted with the key that DynamoDB owns.
resource "aws_dynamodb_table" "lanes" {
  #checkov:skip=CKV_AWS_28:it says who posts at the moment, and nothing is lost with it
  #checkov:skip=CKV_AWS_119:a key of one's own costs a KMS request a call, and opens to whoever may read the table; AWS's own key encrypts it
  name                        = "${var.prefix}-lanes"
  billing_mode                = "PAY_PER_REQUEST"
  hash_key                    = "lanes"
  deletion_protection_enabled = var.deletion_protection

  attribute {
    name = "lanes"
    type = "S"
  }
}
