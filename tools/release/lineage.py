"""The order of releases: that of the commits of main, as git knows it."""

import shutil
import subprocess
from pathlib import Path

from tools.errors import OperatorError


def require_no_older(checkout: Path, commit: str, running: str) -> None:
    """Raise OperatorError unless the commit is the one that runs, or one that comes after it.

    A promotion that waited for its approval while a newer one was applied would take that one back. Only a rollback
    may do so.
    """
    if commit == running or _is_ancestor(checkout, running, commit):
        return
    if _is_ancestor(checkout, commit, running):
        raise OperatorError(
            f"Commit {commit} is older than {running}, which runs.",
            "Promote a newer commit. To go back, give the command `loudhailer release rollback`.",
        )
    raise OperatorError(
        f"Commit {commit} does not come after {running}, which runs, as far as this checkout knows.",
        f"Releases are commits of main. Fetch its history: `git fetch --unshallow`, or `git fetch origin {running}`.",
    )


def _is_ancestor(checkout: Path, earlier: str, later: str) -> bool:
    """Tell whether one commit comes before another; a commit that the checkout does not have comes before none.

    https://git-scm.com/docs/git-merge-base
    """
    git = shutil.which("git")
    if git is None:
        raise OperatorError("git is not on PATH.", "It tells which of two releases is the newer one.")
    arguments = [git, "-C", str(checkout), "merge-base", "--is-ancestor", earlier, later]
    return subprocess.run(arguments, check=False, capture_output=True).returncode == 0
