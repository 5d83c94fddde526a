"""Processes that are measured: on a core of their own where there is one, and only for the CPU that they use themselves.

A program reads its job as one JSON document from standard input. It writes `{"event": "started"}` when it begins to
count, and at the end one document with what it counted.
"""

import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from tools.stack.project import Project

_SCHEDULED_CPU_TIME = 2


class BenchmarkError(Exception):
    """Something could not be measured; the text says why."""


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used until now, all of its threads together, to the nanosecond.

    The kernel has a clock for each process: clock_getcpuclockid(3) makes its number like this.
    """
    return time.clock_gettime((~pid << 3) | _SCHEDULED_CPU_TIME)


def cores() -> tuple[int, int]:
    """The core for what is measured, and the one for what serves it; the same if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[-1], available[0]


@contextmanager
def pinned(core: int) -> Iterator[None]:
    """What is started within the block runs on this core alone."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(
    command: Sequence[str],
    job: Mapping[str, Any],
    *,
    core: int,
    environment: Mapping[str, str] | None = None,
    seconds: float = 120.0,
    started: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Runs a program to its end and gives what it counted; BenchmarkError if it fails or takes longer than `seconds`."""
    with pinned(core):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=None if environment is None else {**os.environ, **environment},
            cwd=Project.of_this_code().root,
        )
    try:
        return _conversation(process, job, seconds, started)
    finally:
        process.kill()
        process.communicate()


def _conversation(
    process: subprocess.Popen[str], job: Mapping[str, Any], seconds: float, started: Callable[[], None]
) -> dict[str, Any]:
    deadline = time.monotonic() + seconds
    if process.stdin is None or process.stdout is None:
        raise BenchmarkError("a program is started with pipes")
    process.stdin.write(json.dumps(job) + "\n")
    process.stdin.close()
    process.stdin = None
    if json.loads(process.stdout.readline() or "null") != {"event": "started"}:
        raise _failed(process)
    started()
    try:
        output, _ = process.communicate(timeout=max(0.0, deadline - time.monotonic()))
    except subprocess.TimeoutExpired as error:
        raise BenchmarkError(f"{process.args!r} took longer than {seconds:.0f} s") from error
    if process.returncode != 0:
        raise _failed(process)
    counted: dict[str, Any] = json.loads(output.splitlines()[-1])
    return counted


def _failed(process: subprocess.Popen[str]) -> BenchmarkError:
    process.kill()
    _, errors = process.communicate()
    return BenchmarkError(f"{process.args!r} failed:\n{errors[-2000:]}")
