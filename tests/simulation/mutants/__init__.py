"""Mutants of the shipped code, written by hand: each is an error that a developer might make.

`python -m tests.simulation --mutant NAME` runs seeds on one.
"""

import importlib.util
import sys
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, SourceFileLoader
from pathlib import Path
from types import CodeType, ModuleType

from tests.simulation.mutants.catalogue import MUTANTS, Mutant


class _Loader(SourceFileLoader):
    """Loads a module with a mutant's text in place of the shipped one."""

    mutant: Mutant

    def get_code(self, fullname: str) -> CodeType | None:
        """The code of the changed text, which is compiled each time and not cached."""
        source = Path(self.path).read_text()
        return self.source_to_code(self.mutant.applied_to(source).encode(), f"{self.path} ({fullname})")


class _Finder(MetaPathFinder):
    """Finds the one module that a mutant changes."""

    def __init__(self, mutant: Mutant) -> None:
        self._mutant = mutant

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002  # as Python calls it
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> ModuleSpec | None:
        """The module's spec, if it is that one."""
        if fullname != self._mutant.module:
            return None
        loader = _Loader(fullname, str(self._mutant.path))
        loader.mutant = self._mutant
        return importlib.util.spec_from_loader(fullname, loader)


def apply(name: str) -> None:
    """Have a mutant's module changed when it is imported, which must not have happened yet."""
    mutant = MUTANTS[name]
    if mutant.module in sys.modules:
        raise ValueError(f"{mutant.module} is imported already")
    sys.meta_path.insert(0, _Finder(mutant))
