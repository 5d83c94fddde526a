"""Parts of the checkout, and fingerprints that tell whether one of them has changed."""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.errors import OperatorError

_IGNORED_FOLDERS = {"__pycache__", ".terraform"}


@dataclass(frozen=True)
class Project:
    """A checkout of Loudhailer."""

    root: Path

    @classmethod
    def of_this_code(cls) -> "Project":
        """The checkout that contains this module."""
        project = cls(Path(__file__).resolve().parents[2])
        if not project.terraform.is_dir():
            raise OperatorError(
                f"{project.root} holds no folder `terraform`: the command runs from a checkout only.",
                "Clone the repository and run `make setup` in it.",
            )
        return project

    @property
    def terraform(self) -> Path:
        """The folder of modules, stacks and environments."""
        return self.root / "terraform"

    @property
    def code(self) -> dict[str, Path]:
        """The folders of a function's zip, each with the folder it comes from; the page is built on the client."""
        client = "clients/javascript/src"
        return {
            client: self.root / client,
            "functions": self.root / "functions",
            "loudhailer": self.root / "shared" / "loudhailer",
        }


def files_below(folder: Path) -> Iterator[Path]:
    """Every file that belongs to the sources, in an order that is the same everywhere; caches left out."""
    for path in sorted(folder.rglob("*"), key=lambda path: path.relative_to(folder).as_posix()):
        ignored = _IGNORED_FOLDERS.intersection(path.relative_to(folder).parts)
        if path.is_file() and path.suffix != ".pyc" and not ignored:
            yield path


def fingerprint_of(folder: Path, pattern: tuple[str, ...]) -> str:
    """Return a digest of the names and contents of the folder's files whose names end with one of `pattern`.

    Raises:
        ValueError: no such file is there, so the digest would be the same whatever changes.
    """
    digest = hashlib.sha256()
    files = [path for path in files_below(folder) if path.name.endswith(pattern)]
    if not files:
        raise ValueError(f"No file in {folder} ends with {' or '.join(pattern)}.")
    for path in files:
        for part in (path.relative_to(folder).as_posix().encode(), path.read_bytes()):
            digest.update(len(part).to_bytes(8))
            digest.update(part)
    return digest.hexdigest()


def digest_of(value: object) -> str:
    """A digest of a JSON value."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
