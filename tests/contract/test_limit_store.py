"""What `LimitStore` promises, kept by the twin and by DynamoDB."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from loudhailer.ids import TenantId
from loudhailer.tenancy.dynamodb import DynamoLimitStore
from loudhailer.tenancy.memory import MemoryLimitStore
from loudhailer.tenancy.model import TenantTotal, TotalSample
from loudhailer.tenancy.port import LimitStore

ACME = TenantId("acme")


def never(_: float) -> None:
    """No call of these tests is throttled."""
    pytest.fail("throttled")


@pytest.fixture(params=["memory", "dynamodb"])
def store(request: pytest.FixtureRequest) -> LimitStore:
    """The twin, then the adapter."""
    if request.param == "memory":
        return MemoryLimitStore()
    return DynamoLimitStore(
        request.getfixturevalue("aws")("dynamodb"), request.getfixturevalue("table")("limits"), pause=never
    )


def test_a_total_is_reserved_up_to_its_maximum(store: LimitStore) -> None:
    """Then it is refused, until one is given back."""
    assert [store.reserve(ACME, 2) for _ in range(3)] == [True, True, False]
    store.release(ACME, 1)
    assert store.total(ACME) == TenantTotal(1)
    assert store.reserve(ACME, 2)


def test_a_maximum_of_nothing_lets_nobody_in(store: LimitStore) -> None:
    """The first connection of a tenant is no exception."""
    assert not store.reserve(ACME, 0)
    assert store.total(ACME) == TenantTotal()


def test_a_total_does_not_go_below_zero(store: LimitStore) -> None:
    """More released than reserved leaves nothing reserved; a tenant without a total stays without."""
    store.reserve(ACME, 5)
    store.release(ACME, 3)
    assert store.total(ACME) == TenantTotal(0)
    store.release(TenantId("nobody"), 1)
    assert store.total(TenantId("nobody")) == TenantTotal()


def test_of_two_hundred_at_once_exactly_the_maximum_get_in(store: LimitStore) -> None:
    """The check and the reservation are one."""
    with ThreadPoolExecutor(32) as pool:
        reserved = sum(pool.map(lambda _: store.reserve(ACME, 50), range(200)))
    assert reserved == 50
    assert store.total(ACME) == TenantTotal(50)


def test_an_excess_is_taken_off_with_its_samples(store: LimitStore) -> None:
    """A total that is lower by now is left alone."""
    for _ in range(5):
        store.reserve(ACME, 10)
    samples = (TotalSample(3, 1, 10, 60), TotalSample(-2, 2, 12, 120))
    store.keep_samples(ACME, samples)
    assert store.total(ACME) == TenantTotal(5, samples)
    assert not store.take_off(ACME, 6)
    assert store.total(ACME) == TenantTotal(5, samples)
    assert store.take_off(ACME, 3)
    assert store.total(ACME) == TenantTotal(2)


def test_samples_do_not_make_a_total(store: LimitStore) -> None:
    """A tenant that never had a connection has no row."""
    store.keep_samples(ACME, (TotalSample(1, 1, 1, 60),))
    assert store.total(ACME) == TenantTotal()
