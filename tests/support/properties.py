"""The number of examples that Hypothesis tries for a property: by day fewer than by night."""

from hypothesis import settings

_USUAL = 100


def examples(number: int) -> settings:
    """Try so many examples by night, and by day the same part of them as of every property."""
    return settings(max_examples=max(1, number * settings().max_examples // _USUAL))
