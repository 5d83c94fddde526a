"""Measured sections, kept beside the page as JSON: a run of some benchmarks renews theirs and keeps the others."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import orjson

from tests.bench.results import Chart, ResultTable, Section, Target


@dataclass(frozen=True, slots=True)
class MeasuredSection:
    """A section, with the day and the commit that it was measured on, and the machine."""

    section: Section
    date: str
    revision: str
    machine: str

    @classmethod
    def of(cls, stored: Mapping[str, Any], folder: Path) -> Self:
        """Read a stored section; its charts are in the folder."""
        section = stored["section"]
        charts = (
            Chart(chart["name"], chart["caption"], (folder / f"{chart['name']}.svg").read_text())
            for chart in section["charts"]
        )
        return cls(
            Section(
                title=section["title"],
                method=section["method"],
                tables=[ResultTable(**table) for table in section["tables"]],
                targets=[Target(**target) for target in section["targets"]],
                charts=list(charts),
            ),
            stored["date"],
            stored["revision"],
            stored["machine"],
        )

    def to_stored(self) -> dict[str, Any]:
        """The section as it is stored; its charts are files of their own."""
        stored = asdict(self)
        for chart in stored["section"]["charts"]:
            del chart["svg"]
        return stored


def read(path: Path) -> dict[str, MeasuredSection]:
    """Return the sections of the file by the names of their benchmarks; none if there is no file."""
    if not path.exists():
        return {}
    stored: dict[str, Any] = orjson.loads(path.read_bytes())
    return {name: MeasuredSection.of(one, path.parent) for name, one in stored.items()}


def write(path: Path, sections: Mapping[str, MeasuredSection], order: Sequence[str]) -> None:
    """Write the sections in this order."""
    stored = {name: sections[name].to_stored() for name in order if name in sections}
    path.write_bytes(orjson.dumps(stored, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE))
