"""Answers what sessions send to the silo and to the pool."""
