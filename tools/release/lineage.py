"""The order of releases: that of the commits of main, as git knows it."""

import shutil
import subprocess
from pathlib import Path

from tools.errors import OperatorError


def require_no_older(checkout: Path, commit: str, applied: str) -> None:
    """Raise OperatorError unless the commit is the one that was applied, or one that comes after it.

    A promotion that waited for its approval while a newer one was applied would take that one back. Only a rollback
    may do so, and it keeps the newer Terraform sources: older ones would destroy what they do not know.
    """
    if commit == applied or _is_ancestor(checkout, applied, commit):
        return
    if _is_ancestor(checkout, commit, applied):
        raise OperatorError(
            f"Commit {commit} is older than {applied}, which was applied.",
            "Promote a newer commit. To go back, give the command `loudhailer release rollback`.",
        )
    raise OperatorError(
        f"Commit {commit} does not come after {applied}, which was applied, as far as this checkout knows.",
        f"Fetch the history of main: `git fetch --unshallow`, or `git fetch origin {applied}`. "
        f"If main was rewritten since, say so in `make plan` and `make apply`: REPLACES={applied}.",
    )


def head(checkout: Path) -> str:
    """Return the commit that is checked out; OperatorError where git knows none."""
    done = _git(checkout, "rev-parse", "HEAD")
    if done.returncode != 0:
        raise OperatorError(f"{checkout} is no checkout of git.", "Give the command from a clone of the repository.")
    return done.stdout.strip()


def _is_ancestor(checkout: Path, earlier: str, later: str) -> bool:
    """Tell whether one commit comes before another; a commit that the checkout does not have comes before none.

    https://git-scm.com/docs/git-merge-base
    """
    return _git(checkout, "merge-base", "--is-ancestor", earlier, later).returncode == 0


def _git(checkout: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    git = shutil.which("git")
    if git is None:
        raise OperatorError("git is not on PATH.", "It tells which of two releases is the newer one.")
    return subprocess.run([git, "-C", str(checkout), *arguments], check=False, capture_output=True, text=True)
