"""The measured programs' side of `tests.bench.processes`: take the job, say when counting starts, tell what was found.

Imported by the programs in `tests/bench/clients` as well, one of which runs in an environment without this project's
packages: it needs the standard library only.
"""

import json
import sys
import time
from types import TracebackType
from typing import Any, Self


def job() -> dict[str, Any]:
    """Return the work to measure."""
    given: dict[str, Any] = json.loads(sys.stdin.readline())
    return given


def divert_prints() -> None:
    """Whatever is printed from now on goes where errors go: to a pipe, as in Lambda."""
    sys.stdout = sys.stderr


def tell(document: dict[str, Any]) -> None:
    """Write a line for the program that started this one."""
    output = sys.__stdout__ or sys.stdout
    output.write(json.dumps(document) + "\n")
    output.flush()


class Meter:
    """Counts something for the length of a block, and tells at its end how many, in which time, for how much CPU.

    Attributes:
        count: the block adds to it.
    """

    def __init__(self) -> None:
        self.count = 0

    def __enter__(self) -> Self:
        """Start."""
        tell({"event": "started"})
        self._started, self._cpu = time.monotonic(), time.process_time()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Tell, unless the block failed."""
        counted = {
            "cpu_seconds": time.process_time() - self._cpu,
            "seconds": time.monotonic() - self._started,
            "count": self.count,
        }
        if kind is None:
            tell(counted)
