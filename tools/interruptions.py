"""The signals that end a command, and blocks that they must not end half-way."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

TERMINATIONS = (signal.SIGTERM, signal.SIGHUP)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Finish the block even if the operator interrupts once more."""
    earlier = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *TERMINATIONS)}
    try:
        yield
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
