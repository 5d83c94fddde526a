"""The time by which work must be over."""

from dataclasses import dataclass

from loudhailer.deadline import Deadline


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 100.0

    def __call__(self) -> float:
        """The time."""
        return self.now


class Context:
    """The context of an invocation that has 90 seconds left."""

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left."""
        return 90_000


def test_an_invocations_deadline_leaves_the_reserve() -> None:
    """The steps after the work take time, too."""
    assert 80 < Deadline.of(Context(), reserve=5).seconds_left <= 85


def test_a_deadline_passes_with_its_clock() -> None:
    """Work that would not be over in time does not begin."""
    clock = Clock()
    deadline = Deadline.after(10, clock)
    assert not deadline.is_over()
    assert not deadline.is_over(within=9)
    assert deadline.is_over(within=10)
    clock.now += 12
    assert deadline.is_over()
    assert deadline.seconds_left == -2


def test_a_part_of_the_work_has_an_earlier_deadline() -> None:
    """It is never later than the one of the whole."""
    clock = Clock()
    whole = Deadline.after(10, clock)
    assert whole.at_most(3).seconds_left == 3
    assert whole.at_most(30) == whole
    assert whole.earlier(4).seconds_left == 6
