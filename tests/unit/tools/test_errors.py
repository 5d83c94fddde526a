"""The operator's message when the operating system refuses something."""

import errno
import os
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.errors import of_the_system
from tools.image.__main__ import app as image_app
from tools.toolchain.__main__ import main as toolchain


@pytest.mark.parametrize(
    ("number", "problem", "remedy"),
    [
        (errno.ENOSPC, "/a/b cannot be written: No space left on device.", "Free some space, or choose another folder"),
        (errno.EACCES, "/a/b cannot be written or read: Permission denied.", "Give your user the right to it, or"),
        (errno.EROFS, "/a/b cannot be written or read: Read-only file system.", "Give your user the right to it, or"),
        (errno.ENOTDIR, "/a/b cannot be written or read: Not a directory.", "Move out of the way what lies there, or"),
        (errno.ENOENT, "/a/b is missing: No such file or directory.", "Restore it"),
        (errno.EMFILE, "Too many files and sockets are open: Too many open files.", "Raise the limit"),
        (errno.ENOMEM, "The machine has no memory or no process left: Cannot allocate memory.", "End other programs"),
        (errno.EADDRINUSE, "A port cannot be used: Address already in use.", "Choose another one with --aws-port"),
        (errno.ENOEXEC, "/a/b cannot be run: Exec format error.", "Install it anew"),
        (errno.ECONNREFUSED, "A connection failed: Connection refused.", "Look at `loudhailer status`"),
        (errno.EIO, "The operating system refused something: Input/output error (/a/b).", "Try again."),
    ],
)
def test_each_error_has_its_fix(number: int, problem: str, remedy: str) -> None:
    """The error's number decides, and the message names the file."""
    error = of_the_system(OSError(number, os.strerror(number), "/a/b"))
    assert (error.problem, error.remedy[: len(remedy)]) == (problem, remedy)


def test_an_error_without_a_number_or_a_file_is_reported() -> None:
    """Python raises some by itself."""
    assert of_the_system(OSError("odd")).problem == "The operating system refused something: odd."
    assert of_the_system(OSError(errno.EACCES, "no")).problem == "A file or folder cannot be written or read: no."


def test_a_failed_copy_of_a_tree_is_reported_by_its_first_file(tmp_path: Path) -> None:
    """`shutil` gathers the errors of all files."""
    (tmp_path / "from" / "folder").mkdir(parents=True)
    (tmp_path / "from" / "folder" / "file").symlink_to("nowhere")
    with pytest.raises(shutil.Error) as raised:
        shutil.copytree(tmp_path / "from", tmp_path / "to")
    assert of_the_system(raised.value).problem.endswith(" is missing: No such file or directory.")
    unknown = shutil.Error([("a", "b", "it is odd")])
    assert of_the_system(unknown).problem == "The operating system refused something: it is odd (b)."
    full = shutil.Error([("a", "b", str(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "b")))])
    assert of_the_system(full).problem == "b cannot be written: No space left on device."


def test_the_other_programs_report_errors_in_a_sentence_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One brings Terraform, the other builds the image."""

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "/a/b")

    monkeypatch.setattr("tools.toolchain.__main__.find_terraform", refuse)
    monkeypatch.setattr("tools.image.registry.digest_of_tag", refuse)
    assert toolchain([]) == 1
    assert "/a/b cannot be written" in capsys.readouterr().err
    result = CliRunner().invoke(image_app, ["pin-base"])
    assert (result.exit_code, type(result.exception)) == (1, SystemExit)
    assert "/a/b cannot be written" in result.output
