"""Choice of a chunk's shard."""

from collections import Counter

from loudhailer.broadcast.shards import shard_of
from loudhailer.ids import BroadcastId, ChunkId

SHARDS = 4
BROADCASTS = [BroadcastId(f"broadcast-{number}") for number in range(400)]


def test_neighbouring_chunks_go_to_different_shards() -> None:
    """Within a source and from one to the next, round and round."""
    for broadcast in BROADCASTS:
        within = [shard_of(broadcast, ChunkId(f"0.{number}"), SHARDS) for number in range(SHARDS)]
        across = [shard_of(broadcast, ChunkId(f"{source}.0"), SHARDS) for source in range(SHARDS)]
        assert sorted(within) == sorted(across) == [*range(SHARDS)]


def test_broadcasts_of_one_chunk_are_spread_over_all_shards() -> None:
    """No lane has most of them."""
    found = Counter(shard_of(broadcast, ChunkId("0.0"), SHARDS) for broadcast in BROADCASTS)
    assert set(found) == {*range(SHARDS)}
    assert max(found.values()) < 2 * min(found.values())


def test_a_resent_chunk_goes_to_the_same_shard() -> None:
    """In another process, too: the CRC-32 of `a` is 0xe8b7be43."""
    assert [shard_of(BroadcastId("a"), ChunkId(f"2.{number}"), SHARDS) for number in range(3)] == [1, 2, 3]
