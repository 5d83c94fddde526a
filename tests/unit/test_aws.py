"""Batches of DynamoDB of which a part is left unprocessed, with a stub in place of the client."""

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from loudhailer.aws import BATCH_ATTEMPTS, delete_rows, get_rows
from loudhailer.errors import TransientError

TABLE = "loudhailer-test-rows"


class StubDynamo:
    """Processes the first of the keys of each call, as many as `processes` says, and leaves the others."""

    def __init__(self, processes: Callable[[int], int]) -> None:
        self._processes = processes
        self.calls: list[int] = []
        self.deleted: list[Any] = []

    def batch_get_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """As DynamoDB answers: 200, with what it left."""
        ((table, wanted),) = RequestItems.items()
        assert (table, wanted["ConsistentRead"], wanted["ProjectionExpression"]) == (TABLE, True, "k")
        keys, left = self._divide(wanted["Keys"])
        return {
            "Responses": {table: keys} if keys else {},
            "UnprocessedKeys": {table: {**wanted, "Keys": left}} if left else {},
        }

    def batch_write_item(self, *, RequestItems: dict[str, Any]) -> dict[str, Any]:  # noqa: N803
        """Likewise."""
        ((table, wanted),) = RequestItems.items()
        done, left = self._divide(wanted)
        self.deleted += [one["DeleteRequest"]["Key"] for one in done]
        return {"UnprocessedItems": {table: left} if left else {}}

    def _divide(self, keys: list[Any]) -> tuple[list[Any], list[Any]]:
        self.calls.append(len(keys))
        taken = self._processes(len(keys))
        return keys[:taken], keys[taken:]


def rows(number: int) -> list[dict[str, Any]]:
    """So many keys."""
    return [{"k": {"N": str(each)}} for each in range(number)]


def read(stub: Any, keys: list[dict[str, Any]], pauses: list[float]) -> list[dict[str, Any]]:
    """What is read of the rows; pauses are noted and not made."""
    return list(get_rows(stub, TABLE, keys, pause=pauses.append, ProjectionExpression="k"))


def test_a_batch_that_is_processed_takes_one_call() -> None:
    """Of 100 keys to read, of 25 to delete; and no key takes none."""
    stub, pauses = StubDynamo(lambda keys: keys), list[float]()
    assert read(stub, rows(201), pauses) == rows(201)
    delete_rows(stub, TABLE, rows(51), pause=pauses.append)
    assert stub.deleted == rows(51)
    assert read(stub, [], pauses) == []
    delete_rows(stub, TABLE, [], pause=pauses.append)
    assert (stub.calls, pauses) == ([100, 100, 1, 25, 25, 1], [])


def test_what_is_left_is_asked_for_again_later_each_time() -> None:
    """Half of it each time: all of it comes, in five attempts, with pauses that grow and are never the same."""
    stub, pauses = StubDynamo(lambda keys: (keys + 1) // 2), list[float]()
    assert read(stub, rows(20), pauses) == rows(20)
    assert stub.calls == [20, 10, 5, 2, 1]
    assert len(set(pauses)) == 4
    for number, pause in enumerate(pauses):
        assert 0.025 * 2**number <= pause <= 0.075 * 2**number
    delete_rows(stub, TABLE, rows(20), pause=pauses.append)
    assert stub.deleted == rows(20)


@pytest.mark.parametrize("call", [read, lambda stub, keys, pauses: delete_rows(stub, TABLE, keys, pause=pauses.append)])
def test_what_is_never_processed_is_a_transient_error(call: Callable[..., object]) -> None:
    """After so many attempts, and less than three seconds."""
    stub, pauses = StubDynamo(lambda _: 0), list[float]()
    with pytest.raises(TransientError, match="unprocessed in 6 attempts"):
        call(stub, rows(3), pauses)
    assert stub.calls == [3] * BATCH_ATTEMPTS
    assert len(pauses) == BATCH_ATTEMPTS - 1
    assert sum(pauses) < 3


def test_a_call_that_fails_is_a_transient_error() -> None:
    """The SDK has tried it again already."""

    class Broken:
        def batch_get_item(self, **_: Any) -> None:
            raise ClientError({"Error": {"Code": "InternalServerError", "Message": ""}}, "BatchGetItem")

    pauses: list[float] = []
    with pytest.raises(TransientError, match="BatchGetItem failed"):
        read(Broken(), rows(1), pauses)
    assert pauses == []
