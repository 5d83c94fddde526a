# The path comes from the command line: the state lives and dies with the local stack.
terraform {
  backend "local" {}
}
