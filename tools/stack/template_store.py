"""Templates in the user's cache: the newest few, each one file that is whole or not there."""

import math
import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from tools.lock import held
from tools.stack.template import DamagedTemplateError, Template
from tools.toolchain.cache import cache_folder

_SUFFIX = ".template"
_TURN = ".turn"
_MOST = 8
_UNFINISHED = "unfinished-"
_UNFINISHED_SECONDS = 3600.0
"""After so long nobody writes to it any more: its command was killed."""

_OTHERS_MAY_WRITE = 0o022


@dataclass(frozen=True)
class TemplateStore:
    """A folder of templates. The last writer wins; a reader sees one of the templates as a whole.

    Attributes:
        folder: where they are stored; created with the first one.
        most: how many are kept, by last use.
    """

    folder: Path
    most: int = _MOST

    @classmethod
    def of_the_user(cls, environment: Mapping[str, str]) -> "TemplateStore":
        """The one in the user's cache."""
        return cls(cache_folder(environment) / "templates")

    def find(self, key: str) -> Template | None:
        """The template of the key, if there is one. DamagedTemplateError if it must not be used."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                _require_own(self.folder.stat())
                _require_own(os.fstat(file.fileno()))
                template = Template.from_bytes(file.read(), key)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            raise DamagedTemplateError(f"it cannot be read ({error.strerror})") from error
        with suppress(OSError):
            os.utime(path)
        return template

    @contextmanager
    def turn(self, key: str, waiting: Callable[[], None]) -> Iterator[None]:
        """Make the key's template in the block, alone; call `waiting` once if another command makes it now."""
        self._ensure_folder()
        lock = self.folder / f"{key}{_TURN}"
        with held(lock, waiting):
            try:
                yield
            finally:
                lock.unlink(missing_ok=True)

    def keep(self, template: Template) -> None:
        """Store a template, and delete the ones that were unused for the longest time. OSError if it cannot be."""
        self._ensure_folder()
        descriptor, name = tempfile.mkstemp(prefix=_UNFINISHED, dir=self.folder)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(template.to_bytes())
                file.flush()
                os.fsync(file.fileno())
            Path(name).replace(self._path(template.key))
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        self._let_go()

    def remove(self, key: str) -> None:
        """Remove a template that did not work, if it can be."""
        with suppress(OSError):
            self._path(key).unlink()

    def _ensure_folder(self) -> None:
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}{_SUFFIX}"

    def _let_go(self) -> None:
        kept = sorted(self.folder.glob(f"*{_SUFFIX}"), key=_last_use, reverse=True)
        abandoned = time.time() - _UNFINISHED_SECONDS
        others = (*self.folder.glob(f"{_UNFINISHED}*"), *self.folder.glob(f"*{_TURN}"))
        unfinished = [path for path in others if _last_use(path) < abandoned]
        for path in (*kept[self.most :], *unfinished):
            path.unlink(missing_ok=True)


def _last_use(path: Path) -> float:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:  # finished or let go by another command
        return math.inf


def _require_own(status: os.stat_result) -> None:
    """A template holds code that is run: nobody else may have written it."""
    if status.st_uid != os.geteuid() or status.st_mode & _OTHERS_MAY_WRITE:
        raise DamagedTemplateError("others can write to it")
