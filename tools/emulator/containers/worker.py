"""One execution environment of a Lambda function: a process, its pipes and its log."""

import json
import os
import select
import subprocess
import sys
import time
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

_BOOTSTRAP = Path(__file__).with_name("bootstrap.py")
INIT_SECONDS = 60.0  # AWS gives 10; a busy laptop that starts many at once needs more
_CHUNK = 65536


@dataclass(frozen=True)
class FunctionImage:
    """Program of a container: an image as the engine knows it, and the command that names the function's handler."""

    reference: str
    command: tuple[str, ...]


@dataclass(frozen=True)
class Function:
    """One state of a function: what a worker runs. Workers of equal functions are interchangeable."""

    name: str  # "account:region:name": all versions share its capacity
    version: str
    code: Path | FunctionImage
    timeout: float
    environment: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class FunctionCall:
    """One request to a function."""

    event: Any
    request_id: str
    function_arn: str
    trace_id: str | None = None


@dataclass(frozen=True)
class CallOutcome:
    """Result of a function call: a result or an error document, and the log."""

    result: Any
    error: Mapping[str, Any] | None
    log: str


def timed_out(function: Function, invocation: FunctionCall) -> dict[str, Any]:
    """The error of an invocation that took too long."""
    return _failure(invocation, "Sandbox.Timedout", f"Task timed out after {function.timeout:.2f} seconds")


def exited(status: int | None, invocation: FunctionCall) -> dict[str, Any]:
    """The error of an invocation whose execution environment ended."""
    return _failure(invocation, "Runtime.ExitError", f"Runtime exited with error: exit status {status}")


def _failure(invocation: FunctionCall, kind: str, message: str) -> dict[str, Any]:
    return {"errorType": kind, "errorMessage": f"RequestId: {invocation.request_id} Error: {message}"}


class _Ended(Exception):  # noqa: N818 (not an error of ours)
    """The process closed its response pipe."""


class Worker(Protocol):
    """An execution environment that runs one function, one invocation at a time; the caller sees to that."""

    function: Function
    log_stream: str

    @property
    def alive(self) -> bool:
        """True if it can take another invocation."""

    def invoke(self, invocation: FunctionCall) -> CallOutcome:
        """Run one invocation. A worker that times out or exits is dead afterwards; one whose handler raised is not."""

    def kill(self) -> None:
        """End it at once and wait for that."""

    def close(self) -> None:
        """End it and release its resources."""


class ProcessWorker:
    """A process that runs one function, one invocation at a time; the caller sees to that.

    Args:
        niceness: how far the process steps back for others that need the machine's cores, from 0 to 19.
    """

    def __init__(self, function: Function, code: Path, niceness: int = 0) -> None:
        self.function = function
        self.log_stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        request_end, self._requests = os.pipe()
        self._responses, response_end = os.pipe()
        self._logs, log_end = os.pipe()
        os.set_blocking(self._logs, False)
        self._unread = b""
        self._ready = False
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-I", str(_BOOTSTRAP), str(request_end), str(response_end)],
                pass_fds=(request_end, response_end),
                stdin=subprocess.DEVNULL,
                stdout=log_end,
                stderr=log_end,
                cwd=code,
                env=dict(function.environment) | {"AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream},
                start_new_session=True,  # a Ctrl-C in the terminal is the launcher's to handle
            )
            os.setpriority(os.PRIO_PROCESS, self._process.pid, os.getpriority(os.PRIO_PROCESS, 0) + niceness)
        finally:
            for descriptor in (request_end, response_end, log_end):
                os.close(descriptor)

    @property
    def alive(self) -> bool:
        """True if it can take another invocation."""
        return self._process.poll() is None

    def invoke(self, invocation: FunctionCall) -> CallOutcome:
        """Run one invocation. A worker that times out or exits is dead afterwards; one whose handler raised is not."""
        log = bytearray()
        try:
            if not self._ready:
                ready = self._response(time.monotonic() + INIT_SECONDS, log)
                if "error" in ready:
                    self.kill()
                    return self._outcome(ready, log)
                self._ready = True
            self._send(invocation)
            return self._outcome(self._response(time.monotonic() + self.function.timeout, log), log)
        except TimeoutError:
            self.kill()
            error = timed_out(self.function, invocation)
        except (_Ended, BrokenPipeError):
            self.kill()
            error = exited(self._process.returncode, invocation)
        return self._outcome({"error": error}, log)

    def kill(self) -> None:
        """End the process at once and wait for it; what it logged can still be read."""
        self._process.kill()
        self._process.wait()

    def close(self) -> None:
        """End the process and give its pipes back."""
        self.kill()
        for descriptor in (self._requests, self._responses, self._logs):
            os.close(descriptor)

    def _send(self, invocation: FunctionCall) -> None:
        request = {
            "event": invocation.event,
            "requestId": invocation.request_id,
            "functionArn": invocation.function_arn,
            "traceId": invocation.trace_id,
            "deadline": time.time() + self.function.timeout,
        }
        data = memoryview(json.dumps(request).encode() + b"\n")
        while data:
            data = data[os.write(self._requests, data) :]

    def _response(self, deadline: float, log: bytearray) -> dict[str, Any]:
        # The log is read all the while: a handler that fills the pipe would wait for ever.
        poll = select.poll()
        poll.register(self._responses, select.POLLIN)
        poll.register(self._logs, select.POLLIN)
        while b"\n" not in self._unread:
            remaining = deadline - time.monotonic()
            events = poll.poll(remaining * 1000) if remaining > 0 else []
            if not events:
                raise TimeoutError
            for descriptor, _ in events:
                if descriptor == self._logs:
                    if not self._read_log(log):
                        poll.unregister(self._logs)
                elif chunk := os.read(self._responses, _CHUNK):
                    self._unread += chunk
                else:
                    raise _Ended
        line, _, self._unread = self._unread.partition(b"\n")
        response: dict[str, Any] = json.loads(line)
        return response

    def _read_log(self, log: bytearray) -> bool:
        """Read the log pipe; return False at its end."""
        while True:
            try:
                chunk = os.read(self._logs, _CHUNK)
            except BlockingIOError:
                return True
            if not chunk:
                return False
            log += chunk

    def _outcome(self, response: Mapping[str, Any], log: bytearray) -> CallOutcome:
        # The handler's log was written before the response, so it is in the pipe already: no waiting.
        self._read_log(log)
        return CallOutcome(response.get("result"), response.get("error"), log.decode(errors="replace").rstrip("\n"))
