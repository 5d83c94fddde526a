"""The choice whether the tests of the emulator (local AWS and gateway stand-in) run: git says what changed."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

TESTS = ("tests/unit/emulator", "tests/integration/emulator")
"""The folders of these tests."""

SOURCES = ("tools/emulator", "tools/errors.py", "tools/image/engine.py")
"""The emulator, and the modules that it imports."""

WATCHED = (*SOURCES, *TESTS, "tests/support/client_frames.py", "tests/support/waiting.py", "uv.lock")
"""The paths whose change makes the tests run."""

_MAIN = ("refs/remotes/origin/main", "refs/heads/main")


@dataclass(frozen=True)
class Choice:
    """The choice, and its reason for the reader of the report."""

    run: bool
    reason: str

    def __str__(self) -> str:
        return f"emulator tests: {'run' if self.run else 'left out'}, {self.reason}"


def choose(checkout: Path) -> Choice:
    """Leave the tests out only if git is sure that nothing of the emulator changed.

    Commits since the merge base with the main branch count, on the main branch those of the last day: the nightly run
    has tested all that is older. Changes that are not committed count too, and files that are not tracked.
    """
    try:
        base = _base(checkout)
        changed = _git(checkout, "diff", "--name-only", "--no-renames", "-z", base, "--", *WATCHED)
        changed += _git(checkout, "ls-files", "--others", "--exclude-standard", "-z", "--", *WATCHED)
    except (OSError, subprocess.CalledProcessError) as error:
        return Choice(run=True, reason=f"git cannot say what changed: {_cause(error)}")
    since = f"since {base[:7]}"
    paths = changed.split("\0")[:-1]
    if not paths:
        return Choice(run=False, reason=f"nothing of the emulator changed {since}")
    others = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
    return Choice(run=True, reason=f"{paths[0]}{others} changed {since}")


def _base(checkout: Path) -> str:
    """The commit to compare with."""
    known = _git(checkout, "for-each-ref", "--format=%(refname)", *_MAIN).split()
    main = next((name for name in _MAIN if name in known), _MAIN[-1])
    base = _git(checkout, "merge-base", "HEAD", main).strip()
    if base != _git(checkout, "rev-parse", "HEAD").strip():
        return base
    # Commits are pushed several at once, so the one before the last is not enough.
    older = _git(checkout, "rev-list", "--max-count=1", "--first-parent", "--before=1.day", "HEAD").strip()
    return older or _git(checkout, "rev-parse", "--verify", "HEAD^").strip()


def _git(checkout: Path, *arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=checkout, capture_output=True, text=True, check=True).stdout


def _cause(error: OSError | subprocess.CalledProcessError) -> str:
    """The last line of git's output, or a note that git is missing."""
    if isinstance(error, OSError):
        return "there is no git"
    output: list[str] = error.stderr.splitlines()
    return output[-1] if output else "the main branch and this commit have no common ancestor here"
