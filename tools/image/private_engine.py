"""An engine of the project's own, for root on a machine where Docker is installed and not running.

Each user holds a shared lock on one file; the engine ends soon after the last user. A lock is the kernel's
(flock) and dies with its holder, so that the engine ends after a kill, too. This module is also the program that
starts the engine, watches the lock and ends it: `python -m tools.image.private_engine`.
"""

import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Never

from tools.errors import OperatorError
from tools.toolchain.cache import cache_folder

_START_SECONDS = 60.0
_POLL_SECONDS = 0.1
_UNUSED_SECONDS = 5.0
_LOG_TAIL_LINES = 5


def cache_directory() -> Path:
    """Images, layers and the build's cache stay here from one start to the next, and the log of the last one."""
    return cache_folder(os.environ) / "engine"


def possible() -> bool:
    """Tell whether one can be started here."""
    return os.geteuid() == 0 and shutil.which("dockerd") is not None and shutil.which("setpriv") is not None


@contextmanager
def held(answers: Callable[[str], bool]) -> Iterator[str]:
    """The engine's address, for as long as the block lasts; the engine is started if it does not answer."""
    directory = cache_directory()
    directory.mkdir(parents=True, exist_ok=True)
    address = f"unix://{directory / 'docker.sock'}"
    with (directory / "users").open("w") as users:
        fcntl.flock(users, fcntl.LOCK_SH)  # waits for one that ends just now
        with (directory / "start").open("w") as start:
            fcntl.flock(start, fcntl.LOCK_EX)
            if not answers(address):
                _start(directory, address, answers)
        yield address


@contextmanager
def used(address: str) -> Iterator[None]:
    """Keep an engine that runs already for the block, if the address is that of a private one."""
    users = Path(address.removeprefix("unix://")).with_name("users")
    if not users.is_file():
        yield
        return
    with users.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        yield


def _start(directory: Path, address: str, answers: Callable[[str], bool]) -> None:
    log = directory / "log"
    keeper = os.posix_spawn(
        sys.executable,
        [sys.executable, "-m", "tools.image.private_engine", str(_UNUSED_SECONDS)],
        os.environ,
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,  # it ends when nobody needs it, not with the command that was the first
    )
    deadline = time.monotonic() + _START_SECONDS
    while not answers(address):
        ended, _ = os.waitpid(keeper, os.WNOHANG)
        if ended or time.monotonic() > deadline:
            tail = "\n".join(log.read_text(errors="replace").splitlines()[-_LOG_TAIL_LINES:])
            raise OperatorError(f"The container engine did not start. Its last words:\n{tail}", f"The log: {log}")
        time.sleep(_POLL_SECONDS)


def keep(directory: Path, unused_seconds: float) -> int:
    """Run the engine until nobody has needed it for so long; its exit code, if it ended by itself."""
    execution = Path(tempfile.mkdtemp(prefix="loudhailer-engine-"))
    command = ["dockerd", "--host", f"unix://{directory / 'docker.sock'}", "--data-root", str(directory / "data")]
    command += ["--exec-root", str(execution), "--pidfile", str(execution / "pid")]
    command += ["--ip", "127.0.0.1", "--shutdown-timeout", "3"]
    engine = subprocess.Popen(["setpriv", "--pdeathsig", "TERM", *command])
    try:
        with (directory / "users").open("w") as users:
            return _watch(engine, users.fileno(), unused_seconds)
    finally:
        engine.terminate()
        engine.wait()
        shutil.rmtree(execution, ignore_errors=True)


def _watch(engine: "subprocess.Popen[bytes]", users: int, unused_seconds: float) -> int:
    unused_since = None
    while engine.poll() is None:
        time.sleep(_POLL_SECONDS)
        if not _nobody_holds(users):
            unused_since = None
            continue
        unused_since = unused_since or time.monotonic()
        if time.monotonic() - unused_since > unused_seconds:
            engine.terminate()  # the lock is kept: who comes now waits until it has ended
            engine.wait()
            return 0
        fcntl.flock(users, fcntl.LOCK_UN)
    return engine.returncode


def _nobody_holds(users: int) -> bool:
    with suppress(BlockingIOError):
        fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    return False


def _terminate(number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(128 + number)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, _terminate)
    sys.exit(keep(cache_directory(), float(sys.argv[1])))
