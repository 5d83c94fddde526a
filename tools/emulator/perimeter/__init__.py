"""Keeps web pages and other users of the machine out of the servers of a local stack."""
