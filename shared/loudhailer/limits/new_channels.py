"""A tenant's limit of channels that nobody was subscribed to before.

The first subscriber opens a partition, whose row stays for an hour at least. Without a limit, one client could fill the
tables with names. An environment takes several at once, so that most channels cost no write.
"""

from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from loudhailer.ids import TenantId
from loudhailer.limits.model import minute_of, new_channels_of_tenant
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count

CHANNELS_AN_ATTEMPT = 10
"""New channels in a minute, for each attempt to connect that the tenant has in a minute."""

_AT_ONCE = 100
"""Most new channels that an environment takes at once."""


class NewChannels:
    """The limit of one tenant, as an environment uses it; its methods may be called by several threads.

    An environment takes as many more as it has used in this minute: 1, 1, 2, 4 and so on. So at
    least half of what the environments take is used, however many they are.
    """

    def __init__(self, limits: LimitStore, *, clock: Callable[[], float]) -> None:
        self._limits = limits
        self._clock = clock
        self._lock = Lock()
        self._minute = _Minute(0)

    def take(self, tenant: TenantId, *, tenant_per_minute: int) -> bool:
        """Take one new channel of this minute; return False if the limit is reached.

        Raises:
            TransientError: it is unknown whether the limit is reached.
        """
        now, counter = int(self._clock()), new_channels_of_tenant(tenant)
        most = CHANNELS_AN_ATTEMPT * tenant_per_minute
        is_taken = False
        while not is_taken:
            with self._lock:
                if self._minute.begins_at != minute_of(now):
                    self._minute = _Minute(minute_of(now))
                minute = self._minute
                if minute.is_over:
                    count("NewChannelsReached")
                    return False
                part = minute.next_part()
            if part == 0:
                return True
            is_taken = self._limits.take_in_minute(counter, now, part, maximum=most)
            with self._lock:
                minute.note(part, is_taken=is_taken)
        return True


@dataclass
class _Minute:
    """The channels that an environment took and used in the minute that begins at this epoch second.

    Attributes:
        left: channels that were taken, and not used yet.
        spare: those, and what threads are about to take beyond their own.
        used: channels that were used.
        is_short: a part was refused; channels are taken one by one.
        is_over: a single one was refused.
    """

    begins_at: int
    left: int = 0
    spare: int = 0
    used: int = 0
    is_short: bool = False
    is_over: bool = False

    def next_part(self) -> int:
        """Use a spare channel, and return 0; or return how many to take, of which the caller uses one."""
        if self.left:
            self.left -= 1
            self.spare -= 1
            self.used += 1
            return 0
        part = 1 if self.is_short else max(1, min(self.used - self.spare, _AT_ONCE))
        self.spare += part - 1
        return part

    def note(self, part: int, *, is_taken: bool) -> None:
        """Note whether the part could be taken."""
        if is_taken:
            self.left += part - 1
            self.used += 1
        else:
            self.spare -= part - 1
            self.is_over = part == 1
            self.is_short = True
