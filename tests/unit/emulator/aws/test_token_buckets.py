"""Token buckets: the tokens of a key, and the time at which it has more."""

from tools.emulator.aws.token_buckets import TokenBuckets


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        """The time."""
        return self.now


def test_a_bucket_has_the_tokens_of_a_second_at_first() -> None:
    """A key that was never seen may take all of them at once."""
    buckets = TokenBuckets[str](3, Clock())
    for _ in range(3):
        assert not buckets.is_empty("a")
        buckets.take("a")
    assert buckets.is_empty("a")


def test_keys_have_buckets_of_their_own() -> None:
    """One that is empty takes nothing from another."""
    buckets = TokenBuckets[str](1, Clock())
    buckets.take("a")
    assert buckets.is_empty("a")
    assert not buckets.is_empty("b")


def test_a_bucket_repays_its_overdraft_first() -> None:
    """A bucket with a single token lets an item of 400 KB through, and is empty until that is paid."""
    clock = Clock()
    buckets = TokenBuckets[str](1_000, clock)
    buckets.take("a", 999)
    buckets.take("a", 401)
    clock.now = 0.4
    assert buckets.is_empty("a")
    clock.now = 0.401
    assert not buckets.is_empty("a")


def test_a_bucket_never_holds_more_than_a_second_gives() -> None:
    """An hour without a request saves nothing up."""
    clock = Clock()
    buckets = TokenBuckets[str](10, clock)
    buckets.take("a", 10)
    clock.now = 3_600.0
    buckets.take("a", 10)
    assert buckets.is_empty("a")


def test_full_buckets_are_forgotten_and_others_kept() -> None:
    """Every connection has keys of its own, and a stack may run for days."""
    clock = Clock()
    buckets = TokenBuckets[str](10, clock)
    for number in range(9_999):
        buckets.take(f"key-{number}")
    clock.now = 60.0
    buckets.take("hot", 100)
    assert len(buckets) == 10_000
    buckets.take("other")
    assert len(buckets) == 2
    assert buckets.is_empty("hot")
