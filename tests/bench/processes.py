"""Processes that are measured, and the CPU time that they use themselves.

A program reads its job as one JSON document from standard input. The measured process writes `{"event": "started"}`
when it begins to count, and at the end one document with its counts; a server writes one document when it is ready.
`tests.bench.meter` is the program's side.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from tools.stack.project import Project

_SCHEDULED_CPU_TIME = 2
_LONGEST_SECONDS = 120.0


class BenchmarkError(Exception):
    """Something could not be measured; the text says why."""


def cpu_seconds(pid: int) -> float:
    """The CPU time that a process has used until now, all of its threads together, to the nanosecond.

    The kernel has a clock for each process: clock_getcpuclockid(3) makes its number like this.
    """
    return time.clock_gettime((~pid << 3) | _SCHEDULED_CPU_TIME)


def cores() -> tuple[int, int]:
    """The core of the measured program, and the core of its servers; the same if there is only one."""
    available = sorted(os.sched_getaffinity(0))
    return available[-1], available[0]


@contextmanager
def pinned(core: int | None) -> Iterator[None]:
    """Run processes that start within the block on this core alone; with None, on any."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, before if core is None else {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def run(
    command: Sequence[str],
    job: Mapping[str, Any],
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    started: Callable[[], object] = lambda: None,
) -> dict[str, Any]:
    """Runs a program to its end and returns its counts; BenchmarkError if it fails or takes too long."""
    with _started(command, job, core, environment) as process:
        if _line(process) != {"event": "started"}:
            raise _failed(process)
        started()
        try:
            output, errors = process.communicate(timeout=_LONGEST_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise BenchmarkError(f"{command} took longer than {_LONGEST_SECONDS:.0f} s") from error
        if process.returncode != 0:
            raise BenchmarkError(f"{command} failed:\n{errors[-2000:]}")
        counted: dict[str, Any] = json.loads(output.splitlines()[-1])
        return counted


@contextmanager
def serving(
    module: str, job: Mapping[str, Any], environment: Mapping[str, str] | None = None
) -> Iterator[tuple[int, dict[str, Any]]]:
    """A program of this project that runs for the length of the block: its process id, and its line when ready."""
    with _started([sys.executable, "-m", module], job, None, environment) as process:
        answer = _line(process)
        if answer is None:
            raise _failed(process)
        yield process.pid, answer


@contextmanager
def _started(
    command: Sequence[str], job: Mapping[str, Any], core: int | None, environment: Mapping[str, str] | None
) -> Iterator[subprocess.Popen[str]]:
    with pinned(core):
        process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
            cwd=Project.of_this_code().root,
        )
    try:
        if process.stdin is not None:
            # A program that has ended by now does not read it; why it did is in what it wrote.
            with suppress(BrokenPipeError), process.stdin as pipe:
                pipe.write(json.dumps(job) + "\n")
            process.stdin = None
        yield process
    finally:
        process.kill()
        process.communicate()


def _line(process: subprocess.Popen[str]) -> dict[str, Any] | None:
    """The next line that the program writes, None if it ends before."""
    line = process.stdout.readline() if process.stdout is not None else ""
    document: dict[str, Any] | None = json.loads(line or "null")
    return document


def _failed(process: subprocess.Popen[str]) -> BenchmarkError:
    process.kill()
    _, errors = process.communicate()
    return BenchmarkError(f"{process.args!r} failed:\n{errors[-2000:]}")
