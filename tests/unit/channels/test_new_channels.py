"""The limit of new channels, over many environments and threads."""

from concurrent.futures import ThreadPoolExecutor

from loudhailer.ids import TenantId
from loudhailer.limits.model import MinuteCounter
from loudhailer.limits.new_channels import CHANNELS_AN_ATTEMPT, NewChannels
from tests.support.fakes.limits import MemoryLimitStore

ACME = TenantId("acme")
NOW = 1_780_000_000


def test_environments_that_see_few_channels_do_not_take_the_limit_from_others() -> None:
    """The limit's last channel is granted, and no channel beyond it."""
    limits = MemoryLimitStore()
    environments = [NewChannels(limits, clock=lambda: NOW) for _ in range(150)]
    granted = [one.take(ACME, tenant_per_minute=30) for one in environments for _ in range(2)]
    assert granted == [True] * CHANNELS_AN_ATTEMPT * 30
    assert not any(one.take(ACME, tenant_per_minute=30) for one in environments)


def test_an_environment_that_sees_many_channels_writes_seldom() -> None:
    """And it does not ask any more in a minute in which a single one was refused."""
    calls: list[int] = []

    class Counting(MemoryLimitStore):
        def take_in_minute(self, counter: MinuteCounter, now: int, amount: int, *, maximum: int) -> bool:
            calls.append(amount)
            return super().take_in_minute(counter, now, amount, maximum=maximum)

    new = NewChannels(Counting(), clock=lambda: NOW)
    assert [new.take(ACME, tenant_per_minute=60) for _ in range(610)].count(True) == 600
    assert calls[:6] == [1, 1, 2, 4, 8, 16]
    assert len([amount for amount in calls if amount > 1]) <= 15
    asked = len(calls)
    assert not new.take(ACME, tenant_per_minute=60)
    assert len(calls) == asked


def test_threads_share_the_channels_of_their_environment() -> None:
    """No thread passes the limit, and all of the limit is used."""
    limits = MemoryLimitStore()
    new = NewChannels(limits, clock=lambda: NOW)
    with ThreadPoolExecutor(8) as threads:
        granted = list(threads.map(lambda _: new.take(ACME, tenant_per_minute=5), range(60)))
    assert granted.count(True) == CHANNELS_AN_ATTEMPT * 5


def test_the_next_minute_has_a_limit_of_its_own() -> None:
    """The rest of the former one is forgotten."""
    now = NOW
    new = NewChannels(MemoryLimitStore(), clock=lambda: now)
    assert [new.take(ACME, tenant_per_minute=1) for _ in range(11)] == [True] * 10 + [False]
    now += 60
    assert new.take(ACME, tenant_per_minute=1)
