"""Cells as they are declared, and valid leases."""

from dataclasses import replace
from typing import Any

import pytest

from loudhailer.cells.model import DeclaredCell, Lease, cell_weights, declared_cells, hosts_in, is_url_in
from loudhailer.codec import encode_text
from loudhailer.ids import HUB, CellName

NOW = 1_000
NORTH = CellName("north")
WIRE = {"accountId": "444444444444", "externalId": "north-1", "region": "eu-west-1", "weight": 2}
LEASE = Lease(at=NOW, is_well=True, websocket_url="wss://x", connections=0, tenant_revision=1)
ON_AWS = "wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live"
LOCAL = "ws://127.0.0.1:4567/a1b2c3d4e5/live"


def test_cells_are_read_as_they_are_declared() -> None:
    """Each with its account, external id, Region and weight."""
    assert declared_cells(encode_text({"north": WIRE})) == {
        NORTH: DeclaredCell(NORTH, "444444444444", "north-1", "eu-west-1", 2.0)
    }
    (cell,) = declared_cells(encode_text({"north": WIRE | {"connectsPerSecond": 50}})).values()
    assert cell.connects_per_second == 50
    assert declared_cells("{}") == {}


@pytest.mark.parametrize(
    ("wire", "field"),
    [
        ({"North": WIRE}, "cell"),
        ({"n": WIRE}, "cell"),
        ({"a#b": WIRE}, "cell"),
        ({"north": 1}, "north"),
        ({"north": WIRE | {"accountId": "4444"}}, "accountId"),
        ({"north": WIRE | {"externalId": 1}}, "externalId"),
        ({"north": WIRE | {"region": "europe"}}, "region"),
        ({"north": WIRE | {"weight": -1}}, "weight"),
        ({"north": WIRE | {"weight": True}}, "weight"),
        ({"north": WIRE | {"connectsPerSecond": 100_001}}, "connectsPerSecond"),
        ({"north": WIRE | {"connectsPerSecond": None}}, "connectsPerSecond"),
        ({"north": {}}, "accountId"),
    ],
)
def test_a_bad_declaration_is_refused_with_its_field(wire: dict[str, Any], field: str) -> None:
    """A function with it does not start."""
    with pytest.raises(ValueError, match=f"must be a JSON object of cells: {field}: "):
        declared_cells(encode_text(wire))


@pytest.mark.parametrize("text", ["", "[]", "north"])
def test_a_declaration_that_is_not_an_object_is_refused(text: str) -> None:
    """The variables of cells and of weights are JSON objects."""
    for read in (declared_cells, cell_weights):
        with pytest.raises(ValueError, match="must be a JSON object"):
            read(text)


def test_weights_name_the_hub_too() -> None:
    """A weight may be 0."""
    assert cell_weights('{"hub":1,"north":0}') == {HUB: 1.0, NORTH: 0.0}
    with pytest.raises(ValueError, match="weight: must be a number from 0 to 1000000"):
        cell_weights('{"hub":"1"}')


@pytest.mark.parametrize(
    ("at", "is_well", "expected"),
    [
        (NOW - 15, True, True),
        (NOW - 16, True, False),
        (NOW, False, False),
        (NOW + 15, True, True),
        (NOW + 16, True, False),
    ],
)
def test_a_lease_is_alive_while_it_is_young_and_well(at: int, *, is_well: bool, expected: bool) -> None:
    """One that says it is from the future does not live longer for that."""
    assert replace(LEASE, at=at, is_well=is_well).is_alive(NOW, 15) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live", True),
        ("wss://abcdefghij.execute-api.eu-west-1.amazonaws.com.cn/live", False),
        ("wss://abcdefghij.execute-api.us-east-1.amazonaws.com/live", False),
        ("wss://abcdefghij.execute-api.eu-west-1.amazonaws.com.evil.example/live", False),
        ("wss://evil.example/abcdefghij.execute-api.eu-west-1.amazonaws.com/live", False),
        ("ws://abcdefghij.execute-api.eu-west-1.amazonaws.com/live", False),
        ("wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live/../x", False),
        ("wss://abcdefghijXexecute-api.eu-west-1.amazonaws.com/live", False),
        (LOCAL, False),
    ],
)
def test_clients_are_sent_to_api_gateway_in_the_cells_region_alone(url: str, *, expected: bool) -> None:
    """The cell names the URL itself, and may have been taken over."""
    assert is_url_in("eu-west-1", url, ON_AWS) is expected


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("ws://127.0.0.1:4568/a1b2c3d4e6/live", True),
        ("ws://10.0.0.1:4568/a1b2c3d4e6/live", False),
        ("wss://127.0.0.1:4568/a1b2c3d4e6/live", False),
        ("ws://127.0.0.1@evil.example/live", False),
        ("ws://[", False),
    ],
)
def test_clients_of_a_local_stack_stay_on_its_host(url: str, *, expected: bool) -> None:
    """Each cell has a port of its own."""
    assert is_url_in("us-east-1", url, LOCAL) is expected


@pytest.mark.parametrize(
    ("region", "own", "hosts"),
    [
        ("eu-west-1", ON_AWS, "wss://*.execute-api.eu-west-1.amazonaws.com"),
        ("cn-north-1", ON_AWS, "wss://*.execute-api.cn-north-1.amazonaws.com.cn"),
        ("us-east-1", LOCAL, "ws://127.0.0.1:*"),
    ],
)
def test_a_page_may_connect_where_cells_are_expected(region: str, own: str, hosts: str) -> None:
    """`is_url_in` believes no other host."""
    assert hosts_in(region, own) == hosts
