"""A local AWS for the contract tests: the same suite runs on the in-memory twin and on the real adapter.

`aws("dynamodb")` is a client; `table("sessions")` is the name of a fresh, empty table. `dynamodb_of(request)` and
`table_of(request)` are those for a parameter of a fixture, one of `ADAPTERS`; `sqs_of(request)` is the client for one
of `QUEUES`.
"""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from loudhailer.aws import clients
from tests.support.aws import aws, aws_endpoint
from tests.support.dynamodb.engine import client_of_any_table
from tests.support.dynamodb.repeated import RepeatedWrites
from tests.support.second_aws import second_aws
from tests.support.tables import TableKind, create_table

__all__ = ["aws", "aws_endpoint"]

SIMULATED = "dynamodb, simulated"
"""The adapter on the tables of the simulation, which so keep the same promises as the local AWS."""

REPEATED = "dynamodb, simulated, each write repeated"
"""The same on a client that carries each write out twice: an answer was lost, and the SDK tried again."""

MOTO = "dynamodb, moto"
"""The adapter on a second emulator of DynamoDB, by night."""

MOTO_QUEUE = "sqs, moto"
"""The adapter on a second emulator of SQS, by night."""

QUEUES = ["memory", "sqs", pytest.param(MOTO_QUEUE, marks=pytest.mark.nightly)]

WITHOUT_MOTO = ["memory", "dynamodb", SIMULATED, REPEATED]
"""For tests of statements of PartiQL, of which moto reads too few."""

ADAPTERS = ["dynamodb", SIMULATED, REPEATED, pytest.param(MOTO, marks=pytest.mark.nightly)]

NOT_REPEATED = ["memory", "dynamodb"]
"""For tests of a deletion's answer: once a row is gone, no caller can tell which attempt has deleted it. And for tests
with threads: the simulation has none."""


def dynamodb_of(request: pytest.FixtureRequest) -> Any:
    """The client for the fixture's parameter."""
    if request.param == MOTO:
        return request.getfixturevalue("moto")("dynamodb")
    if request.param == REPEATED:
        return RepeatedWrites(client_of_any_table())
    return client_of_any_table() if request.param == SIMULATED else request.getfixturevalue("aws")("dynamodb")


def sqs_of(request: pytest.FixtureRequest) -> Any:
    """The client for the fixture's parameter, one of `QUEUES` but `memory`."""
    return request.getfixturevalue("moto" if request.param == MOTO_QUEUE else "aws")("sqs")


def table_of(request: pytest.FixtureRequest) -> Callable[[TableKind], str]:
    """Make a table for the fixture's parameter; a simulated one is there as soon as its name is used."""
    if request.param in {SIMULATED, REPEATED}:
        return "{}-simulated".format
    if request.param == MOTO:
        return partial(create_table, request.getfixturevalue("moto")("dynamodb"))
    made: Callable[[TableKind], str] = request.getfixturevalue("table")
    return made


@pytest.fixture(scope="session")
def moto() -> Iterator[Callable[[str], Any]]:
    """Make clients of moto's services."""
    with second_aws() as client:
        yield client


@pytest.fixture
def table(aws: Callable[[str], Any]) -> Iterator[Callable[[TableKind], str]]:
    """Make a fresh table of a kind, and delete it after the test."""
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
