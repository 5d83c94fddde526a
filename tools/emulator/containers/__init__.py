"""Runs Lambda functions in worker processes, as AWS runs them in execution environments."""
