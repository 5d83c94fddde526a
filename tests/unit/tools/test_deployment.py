"""A deployment as its outputs describe it."""

from dataclasses import replace

import pytest

from loudhailer.ids import CellName
from tools.client.http import HttpApi
from tools.errors import OperatorError
from tools.stack.access import AccountAccess
from tools.stack.deployment import Deployment


def deployment(**outputs: object) -> Deployment:
    """A deployment with these outputs of Terraform's."""
    return Deployment(AccountAccess.root("111111111111", 1, "secret"), outputs)


def test_a_call_of_a_cell_that_may_be_lost_fails_soon() -> None:
    """The SDK alone would wait a minute for each of several attempts; other calls are left to it."""
    patient = deployment()
    impatient = patient.answering_within(3).client("sqs").meta.config
    assert (impatient.connect_timeout, impatient.read_timeout, impatient.retries["total_max_attempts"]) == (3, 3, 2)
    assert patient.client("sqs").meta.config.read_timeout == 60


def test_an_erased_tenant_waits_for_the_slowest_function_that_makes_rows() -> None:
    """Terraform sets the timeouts, so the wait follows them; other functions make nothing of a tenant's."""
    makers = dict.fromkeys(["connect", "default_route", "echo", "join_room", "send_message"], 10)
    assert deployment(timeouts=makers | {"session_api": 10, "query": 60}).quiet_seconds == 10
    assert deployment(timeouts=makers | {"session_api": 29, "query": 60}).quiet_seconds == 29


def test_an_erased_tenant_waits_for_the_slowest_function_of_any_cell() -> None:
    """Each cell has timeouts of its own, and no further one has `session_api`."""
    makers = dict.fromkeys(["connect", "default_route", "echo", "join_room", "send_message"], 10)
    hub = deployment(timeouts=makers | {"session_api": 10})
    north = deployment(timeouts=makers | {"connect": 60})
    south = deployment(timeouts=makers | {"beat": 90})
    assert replace(hub, cells={CellName("north"): north, CellName("south"): south}).quiet_seconds == 60


def test_the_id_of_an_erased_tenant_is_blocked_for_the_lifetime_of_broadcasts() -> None:
    """At an hour a broadcast may reach the new tenant for so long."""
    assert deployment(message_lifetime_seconds=300).rest_seconds == 400
    assert deployment(message_lifetime_seconds=3_600).rest_seconds == 3_700


def test_a_drained_shard_gets_no_messages() -> None:
    """Version 0.2 has no number of shards among its outputs, and drains none."""
    queues = {f"shard-{number}": "url" for number in (10, 0, 1)} | {"rooms": "url"}
    assert deployment(queue_urls=queues).used_shard_names == ["shard-0", "shard-1", "shard-10"]
    drained = deployment(queue_urls=queues, shards=2)
    assert drained.used_shard_names == ["shard-0", "shard-1"]
    assert drained.chunk_queue_names == ["shard-0", "shard-1", "shard-10", "rooms", "express"]


API = "http://127.0.0.1:1"


@pytest.mark.parametrize(
    ("method", "path", "routes"),
    [
        ("POST", "/broadcast", "broadcast"),
        ("POST", "/broadcasts", "broadcast"),
        ("GET", "/broadcast/abc", "broadcast"),
        ("PUT", "/session?tenantId=broadcast", "session"),
        ("DELETE", "/session?tenantId=a", "session"),
        ("GET", "/tenant", "session"),
    ],
)
def test_each_route_is_called_as_it_demands(method: str, path: str, routes: str) -> None:
    """A signature where IAM decides; nothing where nobody asks; and no token, which only the application has."""
    others = {"broadcast": "none", "session": "none"}
    signed = deployment(http_url=API, auth=others | {routes: "iam"}).sign(method, f"{API}{path}", None)
    assert signed["Authorization"].startswith("AWS4-HMAC-SHA256 Credential=111111111111/")
    others = {"broadcast": "iam", "session": "iam"}
    assert deployment(http_url=API, auth=others | {routes: "none"}).sign(method, f"{API}{path}", None) == {}
    with pytest.raises(OperatorError, match=f"The {routes} routes of this deployment take tokens"):
        deployment(http_url=API, auth=others | {routes: "jwt"}).sign(method, f"{API}{path}", None)


def test_a_route_with_a_token_leaves_the_others_to_the_commands() -> None:
    """Sessions are often opened with the application's tokens, while its backend signs broadcasts."""
    mixed = deployment(http_url=API, auth={"broadcast": "iam", "session": "jwt"})
    assert "Authorization" in mixed.sign("POST", f"{API}/broadcast", b"{}")
    assert isinstance(mixed.http_api(), HttpApi)
