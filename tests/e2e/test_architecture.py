"""The architecture page names the functions, the tables and the queues of the applied hub, and no others."""

import re
from collections.abc import Iterable

import pytest

from tests.e2e.system import System
from tests.support.checkout import ROOT

PAGE = (ROOT / "docs" / "architecture.md").read_text()
NUMBERED = re.compile(r"^shard-\d+$")
OF_TENANT = re.compile(r"^silo-.+\.fifo$")


def described(section: str) -> set[str]:
    """The names in the first column of a section's table."""
    _, found, rest = PAGE.partition(f"\n## {section}\n")
    assert found, section
    rows = re.findall(r"^\| (`[^|]+) \|", rest.partition("\n## ")[0], re.MULTILINE)
    return {name for row in rows for name in re.findall(r"`([^`]+)`", row)}


def general(names: Iterable[str]) -> set[str]:
    """Names of queues as the page has them: one for all shards, one for all silos."""
    return {OF_TENANT.sub("silo-<tenant>.fifo", NUMBERED.sub("shard-<n>", name)) for name in names}


def applied(system: System, service: str) -> set[str]:
    """The names of the resources in the hub's account, without the deployment's prefix."""
    prefix = system.table("tenants").removesuffix("tenants")
    if service == "dynamodb":
        names = system.dynamodb.list_tables()["TableNames"]
    else:
        names = [url.rpartition("/")[2] for url in system.sqs.list_queues(QueueNamePrefix=prefix)["QueueUrls"]]
    return {name.removeprefix(prefix) for name in names}


def test_the_architecture_page_lists_every_function(system: System) -> None:
    """Instances of a function, such as `echo-gold` and `post_message-rooms`, have one row."""
    assert described("Functions") == {name.partition("-")[0] for name in system.deployment.functions}


@pytest.mark.parametrize(("section", "service"), [("Tables", "dynamodb"), ("Queues", "sqs")])
def test_the_architecture_page_lists_every_table_and_queue(system: System, section: str, service: str) -> None:
    """Shards and silos have one row each."""
    assert described(section) == general(applied(system, service))
