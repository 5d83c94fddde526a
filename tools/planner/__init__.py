"""Needs and costs of a crowd on AWS, before it is there: times, parts and the bill of a month."""
