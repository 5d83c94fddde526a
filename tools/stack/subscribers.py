"""The accounts that post beside the hub's in a local stack."""

from typing import Any

SUBSCRIBER_ACCOUNTS = {
    "blue": "222222222222",
    "green": "333333333333",
}

_OWN_SHARDS = 2
"""Shards that nobody claims; what a subscriber claimed that is taken out is read by the hub, too."""

_CHUNK_SIZE = 25
"""Small, so that a small crowd is work for every account."""


def subscriber_variables(number: int) -> dict[str, Any]:
    """The hub's variables for so many subscribers, each with a shard of its own; none at all for none."""
    if not number:
        return {}
    accounts = list(SUBSCRIBER_ACCOUNTS.items())[:number]
    return {
        "subscribers": {
            name: {"account_id": account, "external_id": f"local-{name}", "shards": [_OWN_SHARDS + place]}
            for place, (name, account) in enumerate(accounts)
        },
        "broadcast": {"shards": {"count": _OWN_SHARDS + len(SUBSCRIBER_ACCOUNTS)}, "chunk_size": _CHUNK_SIZE},
    }
