"""The choice of a chunk's shard."""

from zlib import crc32

from loudhailer.ids import BroadcastId, ChunkId


def shard_of(broadcast_id: BroadcastId, chunk_id: ChunkId, shards: int) -> int:
    """Return the number of the chunk's shard, from 0; it is the same each time the chunk is sent.

    Consecutive chunks go to different shards, within a source and from one source to the next. The first shard depends
    on the broadcast's id, so that broadcasts of one chunk do not all use the same shard.
    """
    source, _, number = chunk_id.partition(".")
    return (crc32(broadcast_id.encode()) + int(source) + int(number)) % shards
