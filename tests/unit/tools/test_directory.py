"""The stack's directory and its lock."""

import stat
import threading

from tools.stack.directory import StackDirectory


def test_one_command_at_a_time_holds_the_lock(directory: StackDirectory) -> None:
    """The second one says that it waits, and continues when the first has ended."""
    order: list[str] = []
    waits = threading.Event()

    def second() -> None:
        with directory.locked(waits.set):
            order.append("second")

    thread = threading.Thread(target=second)
    with directory.locked():
        thread.start()
        assert waits.wait(5)
        order.append("first")
    thread.join(5)
    assert order == ["first", "second"]


def test_a_command_that_waited_for_a_removed_directory_gets_the_new_one(directory: StackDirectory) -> None:
    """`down` removes the very file that `up` waits for; the lock must still keep out a third."""
    waits = threading.Event()
    thread_holds = threading.Event()
    release = threading.Event()
    third_waits = threading.Event()

    def second() -> None:
        with directory.locked(waits.set):
            thread_holds.set()
            release.wait(5)

    thread = threading.Thread(target=second)
    with directory.locked():
        thread.start()
        assert waits.wait(5)
        directory.remove()
    assert thread_holds.wait(5)

    def third() -> None:
        with directory.locked(third_waits.set):
            pass

    other = threading.Thread(target=third)
    other.start()
    assert third_waits.wait(5)
    release.set()
    thread.join(5)
    other.join(5)
    assert not other.is_alive()


def test_clearing_keeps_only_the_lock(directory: StackDirectory) -> None:
    """A command that clears the stack still holds it."""
    with directory.locked():
        directory.create()
        directory.state_file.write_text("{}")
        directory.clear()
        assert [path.name for path in directory.path.iterdir()] == ["lock"]


def test_logs_are_kept_on_request(directory: StackDirectory) -> None:
    """They say why a demonstration failed."""
    directory.create()
    directory.log("terraform").write_text("why")
    directory.state_file.write_text("{}")
    directory.clear(keep_logs=True)
    assert directory.log("terraform").read_text() == "why"
    assert not directory.state_file.exists()


def test_removing_deletes_everything(directory: StackDirectory) -> None:
    """The home goes too, if no other stack lives in it."""
    directory.create()
    directory.remove()
    assert not directory.path.parent.exists()


def test_removing_keeps_other_stacks(directory: StackDirectory) -> None:
    """Several stacks share a home."""
    other = StackDirectory(directory.path.parent / "demo")
    other.create()
    directory.create()
    directory.remove()
    assert other.path.is_dir()


def test_forgetting_the_cloud_keeps_the_logs_and_removes_the_state(directory: StackDirectory) -> None:
    """Terraform's state is worth nothing without the local AWS that it describes."""
    directory.create()
    logs = directory.log("terraform")
    names = ("terraform.tfstate", "terraform.tfstate.backup", ".terraform.tfstate.lock.info", "aws/state.json")
    for path in (logs, *(directory.path / name for name in names)):
        path.write_text("{}")
    directory.forget_cloud()
    assert logs.exists()
    assert [name for name in names if (directory.path / name).exists()] == []
    assert directory.aws_state.is_dir()


def test_the_directory_is_private_to_its_owner(directory: StackDirectory) -> None:
    """It holds the stack's secret; one that an earlier release has made is closed, too."""
    directory.path.mkdir(parents=True)
    directory.path.chmod(0o755)
    directory.create()
    assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700


def test_the_lock_creates_a_private_directory(directory: StackDirectory) -> None:
    """A command takes it before it makes anything else; so is the state directory around it, if it is new."""
    with directory.locked():
        assert stat.S_IMODE(directory.path.stat().st_mode) == 0o700
        assert stat.S_IMODE(directory.path.parent.stat().st_mode) == 0o700
