"""The choice of a chunk's shard."""

from zlib import crc32

from loudhailer.ids import BroadcastId, ChunkId


def shard_of(broadcast_id: BroadcastId, chunk_id: ChunkId, shards: int) -> int:
    """The number of the chunk's shard, from 0: always the same one, however often the chunk is sent.

    Chunks that follow each other go to different shards, within a source and from one source to the next. Where a
    broadcast begins depends on its id, so that those of one chunk do not all wait for the first shard.
    """
    source, _, number = chunk_id.partition(".")
    return (crc32(broadcast_id.encode()) + int(source) + int(number)) % shards
