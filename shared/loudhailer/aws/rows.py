"""Rows of DynamoDB tables."""

from typing import Any

type Item = dict[str, Any]
"""A row in DynamoDB's JSON: `{"tenantId": {"S": "acme"}}`."""
