"""Background processes, found by their mark: real ones, but only `sleep`."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tools.errors import OperatorError
from tools.stack.directory import StackDirectory
from tools.stack.processes import MARK, ProcessTable, await_ready, identity_of

SHELL = shutil.which("sh") or "/bin/sh"
SLEEP = [SHELL, "-c", "exec sleep 60"]
WITH_CHILD = [SHELL, "-c", 'sleep 60 & echo \'{"event": "ready"}\'; wait']


@pytest.fixture
def table(directory: StackDirectory) -> Iterator[ProcessTable]:
    """The processes of a stack, all stopped in the end."""
    directory.create()
    table = ProcessTable(directory)
    yield table
    for name in ("one", "two"):
        table.stop(name)


def test_a_process_is_found_until_it_is_stopped(table: ProcessTable, directory: StackDirectory) -> None:
    """`status` and `up` rely on it."""
    assert table.find("one") is None
    process = table.start("one", WITH_CHILD, os.environ)
    await_ready(process, directory.log("one"), 1)
    assert table.find("one") == process
    assert table.stop("one")
    assert table.find("one") is None
    assert not table.stop("one")


def test_processes_of_other_names_and_other_stacks_are_not_stopped(table: ProcessTable, tmp_path: Path) -> None:
    """Several stacks run side by side."""
    process = table.start("one", SLEEP, os.environ)
    assert not table.stop("two")
    assert not ProcessTable(StackDirectory(tmp_path / "other")).stop("one")
    assert process.is_running()


def test_a_started_process_has_its_own_session(table: ProcessTable) -> None:
    """The operator's Ctrl-C and the end of the shell are none of its business."""
    process = table.start("one", SLEEP, os.environ)
    assert os.getsid(process.pid) == process.pid != os.getsid(0)


def test_stopping_ends_the_children_too(table: ProcessTable, directory: StackDirectory) -> None:
    """Lambda workers must not outlive the local AWS."""
    process = table.start("one", WITH_CHILD, os.environ)
    await_ready(process, directory.log("one"), 1)
    (child,) = process.children()
    table.stop("one")
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_children_of_a_killed_process_are_stopped(table: ProcessTable, directory: StackDirectory) -> None:
    """A killed process leaves its children behind, and they carry the mark."""
    process = table.start("one", WITH_CHILD, os.environ)
    await_ready(process, directory.log("one"), 1)
    (child,) = process.children()
    process.send_signal(signal.SIGKILL)
    process.wait(5)
    assert table.find("one") is None
    assert table.stop("one")
    assert not child.is_running() or child.status() == psutil.STATUS_ZOMBIE


def test_a_process_that_ignores_the_gentle_signal_is_killed(
    table: ProcessTable, directory: StackDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`down` must not hang."""
    monkeypatch.setattr("tools.stack.processes._GRACE_SECONDS", 0.2)
    stubborn = "trap '' TERM; echo '{\"event\": \"ready\"}'; while :; do sleep 0.05; done"
    process = table.start("one", [SHELL, "-c", stubborn], os.environ)
    await_ready(process, directory.log("one"), 1)
    assert table.stop("one")
    assert table.find("one") is None


def test_all_processes_of_a_name_are_ended_gently(
    table: ProcessTable, directory: StackDirectory, tmp_path: Path
) -> None:
    """Several Terraforms may run; each gets a moment to end by itself."""
    for number in (1, 2):
        gentle = f"trap 'touch {number}; exit' TERM; echo '{{\"event\": \"ready\"}}'; while :; do sleep 0.05; done"
        process = table.start("one", [SHELL, "-c", f"cd '{tmp_path}'; {gentle}"], os.environ)
        await_ready(process, directory.log("one"), 1)
    assert table.stop("one")
    assert table.find("one") is None
    assert {"1", "2"} <= {path.name for path in tmp_path.iterdir()}


def test_two_processes_differ_in_identity(table: ProcessTable) -> None:
    """A process id alone may pass to another process."""
    one, two = (table.start(name, SLEEP, os.environ) for name in ("one", "two"))
    assert identity_of(one) != identity_of(two)
    assert identity_of(one) == identity_of(psutil.Process(one.pid))


def test_the_identity_stays_when_the_clock_of_the_machine_is_set(
    table: ProcessTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The start time is computed from the time of the boot, which Linux takes from the clock."""
    process = table.start("one", SLEEP, os.environ)
    before = identity_of(process)
    started = process.create_time()
    monkeypatch.setattr(psutil.Process, "create_time", lambda _self: started + 1)
    assert identity_of(psutil.Process(process.pid)) == before


def test_a_process_of_a_release_before_has_its_start_time(table: ProcessTable, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state names it so: the next `up` keeps what that release started."""
    process = table.start("one", SLEEP, os.environ)
    monkeypatch.setattr(psutil.Process, "environ", lambda _self: {})
    assert identity_of(process) == f"{process.pid}@{process.create_time():.2f}"


def test_the_mark_names_the_stack_and_the_process(table: ProcessTable, directory: StackDirectory) -> None:
    """It must not match a stack whose path merely begins alike."""
    assert table.mark("one") == {MARK: f"{directory.path}:one"}


def test_a_process_that_ends_early_is_reported_with_its_last_output(
    table: ProcessTable, directory: StackDirectory
) -> None:
    """The reason is in the log, and the operator should not have to look for it."""
    process = table.start("one", [SHELL, "-c", "echo no such thing; exit 3"], os.environ)
    with pytest.raises(OperatorError, match="no such thing") as caught:
        await_ready(process, directory.log("one"), 1)
    assert str(directory.log("one")) in caught.value.remedy


def test_a_taken_port_is_reported_with_the_remedy(table: ProcessTable, directory: StackDirectory) -> None:
    """It is the most common reason."""
    process = table.start("one", [SHELL, "-c", "echo '[Errno 98] Address already in use'; exit 1"], os.environ)
    with pytest.raises(OperatorError, match="Port 4566 is in use") as caught:
        await_ready(process, directory.log("one"), 4566)
    assert "--aws-port" in caught.value.remedy


def test_a_process_that_is_never_ready_is_reported(
    table: ProcessTable, directory: StackDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`up` must not hang."""
    monkeypatch.setattr("tools.stack.processes._READY_TIMEOUT_SECONDS", 0.2)
    process = table.start("one", SLEEP, os.environ)
    with pytest.raises(OperatorError, match="not ready"):
        await_ready(process, directory.log("one"), 1)
