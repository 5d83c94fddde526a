"""Searches of recipients that a caller may not make."""

import pytest

from loudhailer.broadcast.audience import InRoom
from loudhailer.broadcast.search import PartitionSearch
from loudhailer.ids import RoomKey, TenantId
from tests.support.executors import AtOnce
from tests.support.fakes.connections import MemoryConnectionStore


def test_the_search_of_partitions_refuses_a_room() -> None:
    """Members of a room are found by an index, which it does not read."""
    search = PartitionSearch(MemoryConnectionStore(), executor=AtOnce(), clock=lambda: 0)
    with pytest.raises(TypeError, match="InRoom is searched by Search alone"):
        search.at_most(InRoom(TenantId("acme"), RoomKey("red")), 10)
