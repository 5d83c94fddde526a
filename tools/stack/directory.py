"""Folder of everything that a local stack owns, and the lock that gives it to one command at a time."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.lock import held
from tools.stack.dependents import KINDS, Dependent

_LOCK = "lock"
_LOGS = "logs"
_OWNER_ONLY = 0o700


@dataclass(frozen=True)
class WorkingFolder:
    """The files that Terraform works on to apply one of the project's stacks in one account.

    Attributes:
        stack: the stack's folder in `terraform/stacks`.
        sources: links to the files of the project's `terraform` folder, and what Terraform keeps beside them.
        state: Terraform's state, which is worth something only as long as the local AWS lives.
        log: what Terraform says.
    """

    stack: str
    sources: Path
    state: Path
    log: Path

    @property
    def root(self) -> Path:
        """The folder in which commands run. A plain `terraform init` works there too, given the environment."""
        return self.sources / "stacks" / self.stack


@dataclass(frozen=True)
class StackDirectory:
    """The paths of one stack; two directories are two stacks that know nothing of each other."""

    path: Path

    @property
    def state_file(self) -> Path:
        """File of the state that is kept between two commands."""
        return self.path / "stack.json"

    @property
    def package(self) -> Path:
        """The zip of all functions."""
        return self.path / "functions.zip"

    @property
    def hub(self) -> WorkingFolder:
        """The folder that the hub is applied from."""
        return WorkingFolder("hub", self.path / "terraform", self.path / "terraform.tfstate", self.log("terraform"))

    def dependent(self, dependent: Dependent) -> WorkingFolder:
        """Folder that a stack in another account is applied from."""
        folder = self._dependents(dependent.kind) / dependent.name
        log = self.log(f"terraform-{dependent.name}")
        return WorkingFolder(dependent.kind, folder / "terraform", folder / "terraform.tfstate", log)

    def dependents(self) -> list[Dependent]:
        """The stacks in other accounts that were applied, or were about to be."""
        return [Dependent(kind, path.name) for kind in KINDS for path in sorted(self._dependents(kind).glob("*"))]

    def forget_dependent(self, dependent: Dependent) -> None:
        """Remove the folder that a stack in another account was applied from."""
        shutil.rmtree(self._dependents(dependent.kind) / dependent.name, ignore_errors=True)

    def _dependents(self, kind: str) -> Path:
        return self.path / f"{kind}s"

    @property
    def aws_state(self) -> Path:
        """Folder of the local AWS's own files."""
        return self.path / "aws"

    @property
    def temporary(self) -> Path:
        """TMPDIR of the stack's processes."""
        return self.path / "tmp"

    def log(self, name: str) -> Path:
        """The log of one of the stack's processes."""
        return self.path / _LOGS / f"{name}.log"

    def create(self) -> None:
        """Make the directory and the folders that are written to."""
        self._make()
        for folder in (self.path / _LOGS, self.aws_state, self.temporary):
            folder.mkdir(parents=True, exist_ok=True)

    def _make(self) -> None:
        """Make the directory, which nobody but its owner may look into: it holds the stack's secret."""
        if not self.path.parent.exists():
            self.path.parent.mkdir(mode=_OWNER_ONLY, parents=True, exist_ok=True)
        self.path.mkdir(mode=_OWNER_ONLY, exist_ok=True)
        self.path.chmod(_OWNER_ONLY)

    def forget_cloud(self) -> None:
        """Remove what described a local AWS that is no more."""
        state = self.hub.state
        for path in (state, *self.path.glob(f".{state.name}.*"), state.with_suffix(".tfstate.backup")):
            path.unlink(missing_ok=True)
        for dependent in self.dependents():
            self.forget_dependent(dependent)
        for folder in (self.aws_state, self.temporary):
            shutil.rmtree(folder, ignore_errors=True)
        self.create()

    def clear(self, *, keep_logs: bool = False) -> None:
        """Remove everything but the lock, and the logs if they are asked for."""
        kept = {_LOCK, _LOGS} if keep_logs else {_LOCK}
        for path in [path for path in self.path.glob("*") if path.name not in kept]:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the directory, and its parent if nothing else is in it."""
        shutil.rmtree(self.path, ignore_errors=True)
        with suppress(OSError):
            self.path.parent.rmdir()

    def locked(self, waiting: Callable[[], None] = lambda: None) -> AbstractContextManager[None]:
        """Hold the stack for the block; call `waiting` once if another command holds it now.

        `down` removes the locked file: a command that waited for it holds nothing then, and tries again with the new
        one.
        """
        return held(self.path / _LOCK, waiting)
