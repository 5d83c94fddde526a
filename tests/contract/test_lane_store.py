"""The promises of `LaneStore`, kept by the twin and by DynamoDB."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loudhailer.delivery.lending.dynamodb import DynamoLaneStore
from loudhailer.delivery.lending.port import LaneStore
from tests.contract.conftest import ADAPTERS, dynamodb_of, table_of
from tests.support.fakes.lanes import MemoryLaneStore


@pytest.fixture(params=["memory", *ADAPTERS])
def store(request: pytest.FixtureRequest) -> LaneStore:
    """Each of the stores, empty."""
    if request.param == "memory":
        return MemoryLaneStore()
    return DynamoLaneStore(dynamodb_of(request), table_of(request)("lanes"))


def test_no_kind_is_marked_at_first(store: LaneStore) -> None:
    """A new cell has no row."""
    assert store.marks() == {}


def test_each_kind_has_its_last_mark(store: LaneStore) -> None:
    """A mark leaves those of other kinds alone, and may go back: clocks differ."""
    store.mark("normal", 1_800_000_000_123)
    store.mark("low", 5)
    store.mark("low", 7)
    store.mark("low", 6)
    assert store.marks() == {"normal": 1_800_000_000_123, "low": 6}


def test_a_result_does_not_change_with_later_marks(store: LaneStore) -> None:
    """All marks of a result are of one moment."""
    store.mark("normal", 1)
    before = store.marks()
    store.mark("normal", 2)
    assert before == {"normal": 1}


def test_one_of_two_kinds_that_mark_and_then_read_sees_the_other(store: LaneStore) -> None:
    """Whichever comes first, at any time: that is why never both borrow."""

    def mark_and_read(kind: str, at: int) -> int:
        store.mark(kind, at)
        return store.marks().get({"normal": "low", "low": "normal"}[kind], 0)

    with ThreadPoolExecutor(2) as pool:
        for at in range(1, 30):
            seen = [pool.submit(mark_and_read, kind, at) for kind in ("normal", "low")]
            assert at in {each.result() for each in seen}


def test_a_manually_edited_row_can_be_read(request: pytest.FixtureRequest) -> None:
    """An attribute that is no number is no mark."""
    client, table = request.getfixturevalue("aws")("dynamodb"), request.getfixturevalue("table")("lanes")
    client.put_item(TableName=table, Item={"lanes": {"S": "marks"}, "low": {"N": "5"}, "normal": {"S": "yes"}})
    assert DynamoLaneStore(client, table).marks() == {"low": 5}
