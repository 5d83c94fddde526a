"""Streams of DynamoDB tables: their records, and answers to batches of them."""
