"""The stack's background processes, found by a mark in their environment.

Each is started with LOUDHAILER_PROCESS=<directory>:<name>, which its children inherit. So a process is found and
stopped even if the command that started it was killed before it could record anything. A process id that another
program has got since is never mistaken for ours. LOUDHAILER_START has a random number for each start.
"""

import json
import os
import signal
import socket
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPConnection
from pathlib import Path
from uuid import uuid4

import psutil

from tools.emulator.aws.administration import SAVE_PATH
from tools.emulator.perimeter.signature import signed_headers
from tools.errors import OperatorError
from tools.stack.directory import StackDirectory
from tools.stack.local_aws import ACCOUNT, local_endpoint

MARK = "LOUDHAILER_PROCESS"
START = "LOUDHAILER_START"
HOST = "127.0.0.1"

_GRACE_SECONDS = 5.0
_CONNECT_SECONDS = 10.0
"""A busy process accepts late; a port that nobody listens on refuses at once."""

_READY_TIMEOUT_SECONDS = 60.0
_LOG_TAIL_LINES = 8


@dataclass(frozen=True)
class ProcessTable:
    """The running processes of one stack."""

    directory: StackDirectory

    def mark(self, name: str) -> dict[str, str]:
        """The environment variable that makes a process one of this stack's."""
        return {MARK: f"{self.directory.path.resolve()}:{name}"}

    def start(self, name: str, command: list[str], environment: Mapping[str, str]) -> psutil.Process:
        """Start a process in a session of its own that outlives this command; its output goes to its log."""
        log = self.directory.log(name)
        log.unlink(missing_ok=True)
        pid = os.posix_spawn(
            command[0],
            command,
            {**environment, **self.mark(name), START: uuid4().hex},
            file_actions=[
                (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
                (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644),
                (os.POSIX_SPAWN_DUP2, 1, 2),
            ],
            setsid=True,
        )
        process = psutil.Process(pid)
        while _alive(process) and START not in _environment(process):
            time.sleep(0.001)  # Linux shows the environment a moment after the start
        return process

    def find(self, name: str) -> psutil.Process | None:
        """The running process of that name: the leader of its session, not one of its children."""
        return next(iter(_leaders(self._marked(name))), None)

    def stop(self, name: str) -> bool:
        """End all processes of that name and what came of them, gently first; whether there was anything to end."""
        found = self._marked(name)
        if not found:
            return False
        family = _with_children(found)
        leaders = _leaders(found)
        for leader in leaders:
            _signal(leader, signal.SIGTERM)
        psutil.wait_procs(leaders, timeout=_GRACE_SECONDS)
        # A child may have been born while the first ones were dying.
        while remaining := [process for process in {*family, *self._marked(name)} if _alive(process)]:
            for process in remaining:
                _signal(process, signal.SIGKILL)
            psutil.wait_procs(remaining, timeout=_GRACE_SECONDS)
        return True

    def _marked(self, name: str) -> list[psutil.Process]:
        wanted = self.mark(name)[MARK]
        return [process for process in psutil.process_iter() if _environment(process).get(MARK) == wanted]


def identity_of(process: psutil.Process) -> str:
    """Return what no other process has: its id, and the random number of its start.

    No start time: Linux counts it from the boot, so it changes when the machine's clock is set. Only a process that was
    started by a release before has nothing else.
    """
    return f"{process.pid}@{_environment(process).get(START) or f'{process.create_time():.2f}'}"


def free_port(preferred: int = 0) -> int:
    """The preferred port if nobody listens there, else one that is free now."""
    for port in (preferred, 0):
        with socket.socket() as listener:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                listener.bind((HOST, port))
            except OSError:
                continue
            return int(listener.getsockname()[1])
    raise OperatorError("No free port is left on this machine.")


def answers(port: int) -> bool:
    """Tell whether a process listens on the port."""
    try:
        with socket.create_connection((HOST, port), timeout=_CONNECT_SECONDS):
            return True
    except OSError:
        return False


def reload_gateway(port: int, secret: str) -> None:
    """Let the gateway read the APIs again, after Terraform changed them."""
    try:
        status, _ = _posted(port, "/_gateway/reload", secret)
    except OSError as error:
        raise OperatorError(f"The gateway does not answer: {error}.", "Start it again with `loudhailer up`.") from error
    if status != HTTPStatus.OK:
        raise OperatorError(f"The gateway could not read the APIs: it answered {status}.", "Look at its log.")


def save_local_aws(port: int, secret: str) -> None:
    """Let the local AWS write its state into its state directory; OperatorError if it does not."""
    try:
        status, reason = _posted(port, SAVE_PATH, secret)
    except OSError as error:
        raise OperatorError(f"The local AWS does not answer: {error}.") from error
    if status != HTTPStatus.NO_CONTENT:
        raise OperatorError(reason)


def _posted(port: int, path: str, secret: str) -> tuple[int, str]:
    """The status and the body with which a process answers an order of the hub's root."""
    connection = HTTPConnection(HOST, port, timeout=_READY_TIMEOUT_SECONDS)
    body = b"{}"
    try:
        headers = signed_headers("POST", local_endpoint(port) + path, body, ACCOUNT, secret)
        connection.request("POST", path, body, headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()
    finally:
        connection.close()


def await_ready(process: psutil.Process, log: Path, port: int) -> None:
    """Wait until the process has printed its line `{"event": "ready", ...}`."""
    deadline = time.monotonic() + _READY_TIMEOUT_SECONDS
    while not _printed_ready(log):
        if not _alive(process):
            raise _start_failed(f"{log.stem} ended while it started.", log, port)
        if time.monotonic() > deadline:
            raise _start_failed(f"{log.stem} was not ready after {_READY_TIMEOUT_SECONDS:.0f} s.", log, port)
        time.sleep(0.05)


def _start_failed(problem: str, log: Path, port: int) -> OperatorError:
    tail = "\n".join(_lines(log)[-_LOG_TAIL_LINES:])
    if "address already in use" in tail.lower():
        return OperatorError(
            f"{problem} Port {port} is in use by another program.",
            "Choose another one with --aws-port or --gateway-port, or leave them out to get free ones.",
        )
    return OperatorError(f"{problem} Its last words:\n{tail}", f"The whole log: {log}")


def _printed_ready(log: Path) -> bool:
    for line in _lines(log):
        try:
            document = json.loads(line)
        except ValueError:
            continue
        if isinstance(document, dict) and document.get("event") == "ready":
            return True
    return False


def _lines(log: Path) -> list[str]:
    return log.read_text(errors="replace").splitlines() if log.exists() else []


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return process.environ()
    except (psutil.Error, OSError):
        return {}


def _leaders(processes: list[psutil.Process]) -> list[psutil.Process]:
    """The ones that lead a session."""
    return [process for process in processes if _leads(process)]


def _leads(process: psutil.Process) -> bool:
    try:
        return os.getsid(process.pid) == process.pid
    except ProcessLookupError:
        return False


def _with_children(processes: list[psutil.Process]) -> set[psutil.Process]:
    family = set(processes)
    for process in processes:
        try:
            family.update(process.children(recursive=True))
        except psutil.NoSuchProcess:
            continue
    return family


def _alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _signal(process: psutil.Process, number: signal.Signals) -> None:
    with suppress(psutil.NoSuchProcess):
        process.send_signal(number)
