"""The planner plans for Terraform's defaults."""

import re
from functools import cache

import pytest

from functions.sessions.session_api import admission
from loudhailer.aws import tenant_credentials
from tests.support.checkout import ROOT
from tools.planner import load, work
from tools.planner.load import Load
from tools.planner.prices import CONNECTS_PER_SECOND

USUAL = Load(connections=1)


@cache
def sources() -> str:
    """All sources of Terraform, one after the other."""
    return "\n".join(path.read_text() for path in sorted((ROOT / "terraform").glob("*/*/*.tf")))


def defaults_of(name: str) -> set[float]:
    """The numbers that variables, and attributes of objects, have under the name."""
    attributes = re.findall(rf"\b{name}\s*=\s*(?:optional\(number, )?([0-9.]+)", sources())
    variables = re.findall(rf'variable "{name}" {{[^}}]*?\bdefault\s*=\s*([0-9.]+)', sources())
    return {float(default) for default in (*attributes, *variables)}


@pytest.mark.parametrize(
    ("name", "planned"),
    [
        ("(?:posts_per_second|rate)", USUAL.posts_per_second),
        ("burst", USUAL.burst),
        ("headroom", float(load._HEADROOM)),
        ("connections_per_partition", load._PARTITION_SIZE),
        ("max_partitions", load.MAX_PARTITIONS),
        ("chunk_size", load.CHUNK_SIZE),
        ("count", USUAL.shards),
        ("concurrency", load._WORKERS_A_SHARD),
        ("query_concurrency", USUAL.query_concurrency),
        ("(?:broadcast_keys|keys)", USUAL.broadcast_keys),
        ("per_second", CONNECTS_PER_SECOND),
        ("reserve", 1 - float(load.LET_IN) / admission.HEADROOM),
    ],
)
def test_a_number_of_the_plan_is_terraforms_default(name: str, planned: float) -> None:
    """A plan for other numbers than the deployed ones would be wrong."""
    assert any(planned == pytest.approx(default) for default in defaults_of(name))


def test_credentials_of_tenants_are_kept_as_the_functions_keep_them() -> None:
    """The planner copies two numbers, since it must not import the SDK."""
    assert work.KEPT_CREDENTIALS == tenant_credentials.KEPT_CREDENTIALS
    assert work.CREDENTIALS_SECONDS == tenant_credentials.CREDENTIALS_SECONDS
