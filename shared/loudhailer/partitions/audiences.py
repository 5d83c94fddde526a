"""The counts of all audiences: tenants' are in one table, and those of channels in another."""

from collections.abc import Sequence
from concurrent.futures import Executor
from itertools import chain
from typing import override

from loudhailer.ids import AudienceKey
from loudhailer.partitions.model import PartitionCount
from loudhailer.partitions.port import PartitionStore


class ChannelAudiences:
    """Reads the counts of channels, consistently; the executor reads those of several keys side by side."""

    def __init__(self, of_channels: PartitionStore, *, executor: Executor) -> None:
        self._of_channels = of_channels
        self._executor = executor

    def of(self, keys: Sequence[AudienceKey]) -> list[PartitionCount]:
        """Return the partitions of some audiences, key by key.

        Raises:
            TransientError: some could not be read.
        """
        return list(chain.from_iterable(self._executor.map(self._of, keys)))

    def _of(self, key: AudienceKey) -> list[PartitionCount]:
        return self._store_of(key).of(key)

    def _store_of(self, key: AudienceKey) -> PartitionStore:  # noqa: ARG002  # `Audiences` has a second store
        return self._of_channels


class Audiences(ChannelAudiences):
    """Reads the counts of tenants and of channels."""

    def __init__(self, of_tenants: PartitionStore, of_channels: PartitionStore, *, executor: Executor) -> None:
        super().__init__(of_channels, executor=executor)
        self._of_tenants = of_tenants

    @override
    def _store_of(self, key: AudienceKey) -> PartitionStore:
        return self._of_channels if "#" in key else self._of_tenants

    def everywhere(self) -> list[PartitionCount]:
        """See `PartitionStore.everywhere`: those of all tenants, which have every connection."""
        return self._of_tenants.everywhere()

    def first_everywhere(self, most: int) -> list[PartitionCount]:
        """See `PartitionStore.first_everywhere`: those of all tenants."""
        return self._of_tenants.first_everywhere(most)
