"""A lock that one command holds at a time."""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from tools.errors import OperatorError

_TIMEOUT_SECONDS = 900.0
_POLL_SECONDS = 0.2
_OWNER_ONLY = 0o700


@contextmanager
def held(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold the lock for the block; call `waiting` once if another command holds it now.

    The lock is the kernel's (flock), so that it dies with its holder. The file may be removed at any time: a command
    that waited for it holds nothing then, and tries again with the new one. OSError if the file cannot be made.
    """
    deadline = time.monotonic() + _TIMEOUT_SECONDS
    announced = False
    while True:
        with _opened(path) as file:
            if _acquired(file):
                yield
                return
        if not announced:
            announced = True
            waiting()
        if time.monotonic() > deadline:
            raise OperatorError(
                f"Another loudhailer command has held {path} for {_TIMEOUT_SECONDS:.0f} s.",
                "Wait for it or end it, then try again.",
            )
        time.sleep(_POLL_SECONDS)


def _opened(path: Path) -> TextIO:
    while True:
        with suppress(FileNotFoundError):  # the folder was removed in this very moment
            _make(path.parent)
            return path.open("w")


def _make(folder: Path) -> None:
    """Make the folder and its parents, accessible to their owner only."""
    if not folder.parent.exists():
        _make(folder.parent)
    folder.mkdir(mode=_OWNER_ONLY, exist_ok=True)


def _acquired(file: TextIO) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(file.fileno()), os.stat(file.name))  # noqa: PTH116 - name and descriptor alike
    except (BlockingIOError, FileNotFoundError):
        return False
