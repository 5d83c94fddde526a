"""The stacks of cells and subscribers are planned with the outputs of a hub of the release before."""

import re

import pytest

from tests.support.checkout import ROOT

KNOWN = {
    "cell": {
        *("name", "prefix", "environment", "region", "account_id", "hub_region", "hub_account_id", "topic_arn"),
        *("role", "role.arn", "role.external_id", "tables", "tables.broadcasts", "tables.cells", "tables.tenants"),
        *("weights", "placement", "placement.home_connections", "placement.beat_seconds", "placement.lease_seconds"),
        *("messages.role_arn", "messages.queue_url", "messages.placements_table", "message_lifetime_seconds"),
    },
    "subscriber": {
        *("prefix", "environment", "region", "account_id", "role", "role.arn", "role.external_id"),
        *("shards", "shards.url", "shards.arn", "callback_endpoint", "outcome_queue_url", "dead_letter_queue_url"),
        *("lane_posts_per_second", "lane_shares", "lanes_table", "concurrency", "timeout"),
    },
}
"""The attributes that hubs of all releases say. A new one is added here once no hub runs a release without it."""


def demanded(stack: str, variable: str) -> set[str]:
    """Return the attributes without which a stack refuses what the hub says."""
    source = (ROOT / "terraform" / "stacks" / stack / "variables.tf").read_text()
    block = re.search(
        rf'^variable "{variable}" {{\n.*?^  type = object\({{\n(.*?)^  }}\)', source, re.MULTILINE | re.DOTALL
    )
    assert block is not None
    found = set()
    for line in block[1].splitlines():
        name, form = (part.strip() for part in line.split("=", 1))
        if not form.startswith("optional("):
            found.add(name)
        found |= {f"{name}.{inner[1]}" for inner in re.finditer(r"(\w+) = (?!optional\()", form)}
    return found


@pytest.mark.parametrize(("stack", "variable"), [("cell", "hub"), ("subscriber", "cell")])
def test_a_stack_takes_the_outputs_of_a_hub_of_the_release_before(stack: str, variable: str) -> None:
    """A new attribute is `optional(...)`: otherwise no cell could be planned before the hub, which is applied after it.

    docs/decisions/0059-release-cells-before-their-hub.md
    """
    assert demanded(stack, variable) == KNOWN[stack]
