"""Terraform and its AWS provider: found on the machine, or fetched once into the user's cache."""
