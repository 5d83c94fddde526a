"""The engine of the project's own lives as long as a command needs it; the program `dockerd` is a stand-in."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from tests.support.waiting import wait_until
from tools.errors import OperatorError
from tools.image import private_engine
from tools.image.private_engine import held, used

# It answers once its socket exists, and cleans up when a signal ends it.
_DOCKERD = """\
#!/bin/sh
socket=${{2#unix://}}
echo "$$" > "{pid}"
trap 'rm -f "$socket"; exit 0' TERM
{start}
while :; do sleep 0.1; done
"""

_HOLDER = """\
import time
from tools.image import private_engine
private_engine._UNUSED_SECONDS = 0.2
with private_engine.held(lambda address: __import__("os").path.exists(address.removeprefix("unix://"))):
    print("held", flush=True)
    time.sleep(60)
"""


def answers(address: str) -> bool:
    """Tell whether the engine's socket is there."""
    return Path(address.removeprefix("unix://")).exists()


@pytest.fixture
def dockerd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The stand-in, first on PATH; the file that will have its process id."""
    pid = tmp_path / "pid"
    _install(tmp_path, 'touch "$socket"')
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(private_engine, "_UNUSED_SECONDS", 0.2)
    return pid


def _install(folder: Path, start: str) -> None:
    program = folder / "dockerd"
    program.write_text(_DOCKERD.format(pid=folder / "pid", start=start))
    program.chmod(0o755)


def test_a_private_engine_ends_soon_after_its_last_user(dockerd: Path) -> None:
    """Several may need it at once; the last one's leaving counts."""
    with held(answers) as first:
        assert answers(first)
        pid = int(dockerd.read_text())
        with held(answers) as second, used(second):
            assert second == first
        assert int(dockerd.read_text()) == pid
        assert psutil.pid_exists(pid)
    assert wait_until(lambda: not answers(first))
    assert wait_until(lambda: not psutil.pid_exists(pid))


def test_a_private_engine_ends_after_its_user_is_killed(dockerd: Path) -> None:
    """The kernel drops the lock of a process that dies."""
    with subprocess.Popen([sys.executable, "-c", _HOLDER], stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        pid = int(dockerd.read_text())
        holder.send_signal(signal.SIGKILL)
    assert wait_until(lambda: not psutil.pid_exists(pid))


def test_an_engine_that_does_not_start_reports_its_output(dockerd: Path) -> None:
    """The output names the missing part of the machine."""
    _install(dockerd.parent, "echo 'iptables is missing' >&2; exit 1")
    with pytest.raises(OperatorError, match="iptables is missing"), held(answers):
        pass


def test_an_engine_of_the_machine_has_no_lock(tmp_path: Path) -> None:
    """There is no lock beside its socket."""
    with used(f"unix://{tmp_path / 'docker.sock'}"):
        assert list(tmp_path.iterdir()) == []


def test_only_root_can_start_a_private_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else may make containers."""
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert not private_engine.possible()
