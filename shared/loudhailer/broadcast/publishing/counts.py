"""The number of connections in each partition of an audience, before its broadcast is announced."""

from collections.abc import Iterable, Mapping

from loudhailer.broadcast.audience import Audience, Everyone, OfChannel, OfTenant, keys_of
from loudhailer.ids import Partition
from loudhailer.partitions.audiences import Audiences, ChannelAudiences
from loudhailer.partitions.model import PartitionCount

_MOST_COUNTED = 2_000
"""Most partitions that a request counts, of all tenants: they fit into one page of 1 MB. `swarm` counts more."""


def counts_of(audiences: Audiences, audience: Audience) -> Mapping[Partition, int] | None:
    """Count an audience of whole partitions; return None for another one, or for too many partitions."""
    match audience:
        case Everyone():
            known = audiences.first_everywhere(_MOST_COUNTED + 1)
            return None if len(known) > _MOST_COUNTED else _by_partition(known)
        case OfTenant():
            return _by_partition(audiences.of(keys_of(audience)))
        case _:
            return counts_of_channel(audiences, audience)


def counts_of_channel(audiences: ChannelAudiences, audience: Audience) -> Mapping[Partition, int] | None:
    """Count the members of a channel; return None for another audience."""
    return _by_partition(audiences.of(keys_of(audience))) if isinstance(audience, OfChannel) else None


def _by_partition(known: Iterable[PartitionCount]) -> Mapping[Partition, int]:
    return {one.partition: max(0, one.count) for one in known}
