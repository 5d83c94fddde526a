"""The list of mutants that change nothing that is promised."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

MEANINGLESS = Path(__file__).with_name("meaningless.txt")


class ListedMutant(NamedTuple):
    """A mutant in the list.

    Attributes:
        function: its function, as `functions.sessions.beat.beat.Beat.__call__`.
        digest: the beginning of the SHA-256 of the lines that it changes.
    """

    function: str
    digest: str


def entries(text: str | None = None) -> Iterator[ListedMutant]:
    """The entries of the list: one a line, beside blank lines and reasons, which begin with `#`."""
    for line in (MEANINGLESS.read_text() if text is None else text).splitlines():
        if line and not line.startswith("#"):
            function, digest = line.split()
            yield ListedMutant(function, digest)
