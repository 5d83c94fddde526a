data "aws_partition" "current" {}

data "aws_region" "current" {}

locals {
  accounts = sort(distinct(values(var.accounts)[*].account_id))
}

# The creator of a function must be able to read its image. So must Lambda itself, on the function's behalf, as long as
# the function exists. https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
resource "aws_ecr_repository_policy" "this" {
  repository = aws_ecr_repository.this.name

  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid       = "AccountsPull"
        Effect    = "Allow"
        Principal = { AWS = [for id in local.accounts : "arn:${data.aws_partition.current.partition}:iam::${id}:root"] }
        Action    = ["ecr:BatchGetImage", "ecr:DescribeImages", "ecr:GetDownloadUrlForLayer"]
      },
      {
        Sid       = "TheirFunctionsPull"
        Effect    = "Allow"
        Principal = { Service = "lambda.amazonaws.com" }
        Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
        Condition = {
          ArnLike = {
            "aws:SourceArn" = [
              for id in local.accounts :
              "arn:${data.aws_partition.current.partition}:lambda:${data.aws_region.current.name}:${id}:function:*"
            ]
          }
        }
      },
    ]
  })
}
