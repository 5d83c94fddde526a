"""The pollers of a standard queue: five at first, and 300 more a minute."""

from tools.emulator.aws.poller_scaling import PollerScaling


def test_pollers_grow_by_300_a_minute_while_messages_wait_and_shrink_after_that() -> None:
    """To 1,250 at most, which takes a little over four minutes."""
    times = iter((0.0, 0.19, 1.0, 60.0, 240.0, 300.0, 301.0))
    scaling = PollerScaling(lambda: next(times))
    assert [scaling.batches_at_once(waiting=True) for _ in range(6)] == [5, 5, 10, 305, 1_205, 1_250]
    assert scaling.batches_at_once(waiting=False) == 5
    assert scaling.batches_at_once(waiting=True) == 5
