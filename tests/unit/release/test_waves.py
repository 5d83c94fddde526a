"""Order of subscribers in a release, and its end when one fails."""

import pytest

from tools.errors import OperatorError
from tools.release.environment import Subscriber
from tools.release.waves import waves

MAP = [Subscriber(name, f"{number:012d}", (number,)) for number, name in enumerate("abcdefghij")]


def names(subscribers: list[Subscriber], canary: str | None = None) -> list[str]:
    """The waves, each as the names in it."""
    return ["".join(subscriber.name for subscriber in wave) for wave in waves(subscribers, canary)]


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, []), (1, ["a"]), (2, ["a", "b"]), (3, ["a", "b", "c"]), (6, ["a", "bc", "def"]), (10, ["a", "bcd", "efghij"])],
)
def test_the_waves_are_one_account_then_a_quarter_then_the_rest(number: int, expected: list[str]) -> None:
    """In the order of the map."""
    assert names(MAP[:number]) == expected


def test_the_canary_can_be_chosen() -> None:
    """The others keep their order."""
    assert names(MAP[:4], "c") == ["c", "a", "bd"]


def test_a_canary_that_is_not_in_the_map_is_refused() -> None:
    """With the existing ones."""
    with pytest.raises(OperatorError) as refused:
        waves(MAP[:2], "z")
    assert "a, b" in refused.value.remedy
