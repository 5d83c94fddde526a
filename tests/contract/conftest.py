"""A local AWS for the contract tests: the same suite runs on the in-memory twin and on the real adapter.

`aws("dynamodb")` is a client; `table("sessions")` is the name of a fresh, empty table. `dynamodb_of(request)` is a
client for a parameter of a fixture, one of `ADAPTERS`.
"""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loudhailer import aws as clients
from tests.support.aws import RepeatedWrites, aws, aws_endpoint
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.tables import TableKind, create_table

__all__ = ["aws", "aws_endpoint"]

REPEATED = "dynamodb, each write repeated"
"""The adapter on a client that carries each write out twice: an answer was lost, and the SDK tried again."""

SIMULATED = "dynamodb, simulated"
"""The adapter on the tables of the simulation, which so keep the same promises as the local AWS."""

ADAPTERS = ["dynamodb", REPEATED, SIMULATED]

NOT_REPEATED = ["memory", "dynamodb"]
"""For tests of what a deletion answers: once a row is gone, nobody can tell which attempt has deleted it."""


def dynamodb_of(request: pytest.FixtureRequest) -> Any:
    """The client for the fixture's parameter."""
    if request.param == SIMULATED:
        return client_of_any_table()
    client = request.getfixturevalue("aws")("dynamodb")
    return RepeatedWrites(client) if request.param == REPEATED else client


@pytest.fixture
def table(aws: Callable[[str], Any]) -> Iterator[Callable[[TableKind], str]]:
    """Makes a fresh table of a kind, and deletes it after the test."""
    dynamodb = aws("dynamodb")
    names: list[str] = []

    def make(kind: TableKind) -> str:
        names.append(create_table(dynamodb, kind))
        return names[-1]

    yield make
    for name in names:
        dynamodb.delete_table(TableName=name)


@pytest.fixture(autouse=True)
def _session_of_this_test() -> Iterator[None]:
    """Let each test's handlers read the environment: the SDK's session keeps the credentials of the first one."""
    clients._session.cache_clear()
    yield
    clients._session.cache_clear()
