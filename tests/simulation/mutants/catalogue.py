"""The mutants: where each changes the shipped code, and into which."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Mutant:
    """One change: in this module, that text becomes the other."""

    module: str
    before: str
    after: str

    @property
    def path(self) -> Path:
        """The file of the module."""
        folder = _ROOT if self.module.startswith("functions.") else _ROOT / "shared"
        return folder.joinpath(*self.module.split(".")).with_suffix(".py")

    def applied_to(self, source: str) -> str:
        """The changed source; ValueError unless the text stands in it once."""
        if source.count(self.before) != 1:
            raise ValueError(f"{self.module} has {source.count(self.before)} times: {self.before}")
        return source.replace(self.before, self.after)


MUTANTS: Mapping[str, Mutant] = {
    "release-before-the-checkpoint": Mutant(
        "functions.accounting.accounting",
        "        settled = list(self._each(settle, changes))\n        self._release(settled)\n",
        "        closed = {one: sum(change.delta < 0 for change in found) for one, found in changes.items()}\n"
        "        self._release([_Settled(one, 0, closed[one]) for one in changes])\n"
        "        settled = list(self._each(settle, changes))\n",
    ),
}
"""By name."""
