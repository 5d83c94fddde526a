"""A tenant's limit of channels that nobody was subscribed to before.

The first subscriber opens a partition, whose row stays for an hour at least. Without a limit, one client could fill the
tables with names. An environment takes a part of the minute's limit at once, so that most channels cost no write.
"""

from collections.abc import Callable

from loudhailer.ids import TenantId
from loudhailer.limits.model import minute_of, new_channels_of_tenant
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count

CHANNELS_AN_ATTEMPT = 10
"""New channels in a minute, for each attempt to connect that the tenant has in a minute."""

_AT_ONCE = 100
_PARTS = 10


class NewChannels:
    """The limit of one tenant, as an environment uses it."""

    def __init__(self, limits: LimitStore, *, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._minute = 0
        self._left = 0
        self._is_over = False

    def take(self, tenant: TenantId, *, tenant_per_minute: int) -> bool:
        """Take one new channel of this minute; return False if the limit is reached.

        Raises:
            TransientError: it is unknown whether the limit is reached.
        """
        now = int(self._clock())
        if minute_of(now) != self._minute:
            self._minute, self._left, self._is_over = minute_of(now), 0, False
        if self._left == 0 and not self._is_over:
            most = CHANNELS_AN_ATTEMPT * tenant_per_minute
            part = max(1, min(_AT_ONCE, most // _PARTS))
            self._is_over = not self._limits.take_in_minute(new_channels_of_tenant(tenant), now, part, maximum=most)
            self._left = 0 if self._is_over else part
        if self._left == 0:
            count("NewChannelsReached")
            return False
        self._left -= 1
        return True
