"""The checkout that tests look at."""

import subprocess
from pathlib import Path

import functions as package

ROOT = Path(__file__).resolve().parents[2]

_FUNCTIONS = Path(package.__path__[0])
"""The folder of the functions, as Python finds it: `make mutants` has another one."""


def files() -> list[Path]:
    """Every file that is tracked, or would be by `git add`, relative to the root."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    return [path for path in map(Path, listed.split("\0")[:-1]) if (ROOT / path).is_file()]


def functions() -> list[str]:
    """The names of the Lambda functions: the folders of `functions/<capability>`."""
    return sorted(path.parent.name for path in _FUNCTIONS.glob("*/*/__init__.py"))


def folder_of(function: str) -> Path:
    """Return the folder of a Lambda function's code."""
    (found,) = _FUNCTIONS.glob(f"*/{function}/__init__.py")
    return found.parent


def module_of(function: str, name: str) -> str:
    """Return the dotted name of a module of a Lambda function: `functions.broadcast.query.settings`."""
    return ".".join((*folder_of(function).relative_to(_FUNCTIONS.parent).parts, name))
