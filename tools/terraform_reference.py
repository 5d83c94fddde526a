"""`python -m tools.terraform_reference`: the inputs and outputs in the READMEs of Terraform's modules and stacks.

They are written from the sources, behind a marker in each README; all text before it is kept. Without `--write`
nothing is written, and a README that differs from the sources fails.
"""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.console import Terminal
from tools.errors import OperatorError

SOURCES = Path(__file__).resolve().parents[1] / "terraform"
MARKER = "<!-- `make format` writes what follows, from the sources. -->"

_BLOCK = re.compile(r'^(variable|output) "(\w+)" \{\n(.*?)^\}', re.MULTILINE | re.DOTALL)
_ATTRIBUTE = re.compile(r"^  (\w+) += (.*(?:\n(?:    .*|  [)}\]].*))*)", re.MULTILINE)
_REMOVED = "Removed: "
"""The beginning of the description of a variable that is declared to refuse the values of earlier releases."""


@dataclass(frozen=True)
class Row:
    """A variable or an output.

    Attributes:
        kind: variable or output.
        attributes: Terraform's own, as they are written, on one line each.
    """

    kind: str
    name: str
    attributes: dict[str, str]

    @property
    def description(self) -> str:
        """The type or value, as Markdown in a table."""
        return self.attributes["description"].strip('"').replace('\\"', '"').replace("|", "\\|").replace("<", "&lt;")

    @property
    def line(self) -> str:
        """Its row in the table."""
        if self.kind == "output":
            return f"| `{self.name}` | {self.description} |"
        default = f"`{self.attributes['default']}`" if "default" in self.attributes else "required"
        return f"| `{self.name}` | `{self.attributes['type']}` | {default} | {self.description} |"


def folders(sources: Path = SOURCES) -> list[Path]:
    """The folder of each module and stack."""
    return sorted(path.parent for path in sources.glob("*/*/versions.tf"))


def rows(folder: Path) -> Iterator[Row]:
    """The variables and outputs of a module or stack, in the order of the files; no variable that is removed."""
    for path in sorted(folder.glob("*.tf")):
        for kind, name, block in _BLOCK.findall(path.read_text()):
            row = Row(kind, name, {each: _on_one_line(value) for each, value in _ATTRIBUTE.findall(block)})
            if not row.description.startswith(_REMOVED):
                yield row


def reference(folder: Path) -> str:
    """Return the part of a README behind its marker."""
    found = list(rows(folder))
    inputs = [row.line for row in found if row.kind == "variable"]
    outputs = [row.line for row in found if row.kind == "output"]
    parts = []
    if inputs:
        parts += ["## Inputs", "\n".join(["| name | type | default | description |", "|---|---|---|---|", *inputs])]
    if outputs:
        parts += ["## Outputs", "\n".join(["| name | description |", "|---|---|", *outputs])]
    return "\n\n".join(parts) + "\n"


def updated(folder: Path) -> str:
    """Return the README of a module or stack as it should be; OperatorError if it is missing or has no marker."""
    path = folder / "README.md"
    head, marker, _ = path.read_text().partition(MARKER) if path.is_file() else ("", "", "")
    if not marker:
        raise OperatorError(f"{path} has no line {MARKER}", "Say there what the module is for, and end with that line.")
    return f"{head}{marker}\n\n{reference(folder)}"


def main(arguments: list[str]) -> int:
    """Compare every README with the sources, or write it with `--write`; the exit code."""
    terminal = Terminal()
    stale = []
    for folder in folders():
        try:
            wanted = updated(folder)
        except OperatorError as error:
            terminal.fail(error)
            return 1
        path = folder / "README.md"
        if path.read_text() == wanted:
            continue
        if "--write" in arguments:
            path.write_text(wanted)
        else:
            stale.append(path.relative_to(SOURCES.parent).as_posix())
    if stale:
        terminal.fail(OperatorError(f"{', '.join(stale)}: not as the sources are.", "Run `make format`."))
    return 1 if stale else 0


def _on_one_line(value: str) -> str:
    """Return an expression on one line, with commas where it had line breaks: Terraform takes both."""
    text = ""
    for line in (re.sub(r" +", " ", re.sub(r"\s+#.*$", "", line)).strip() for line in value.splitlines()):
        joined = not text or not line or text[-1] in "({[" or line[0] in ")}]"
        text += line if joined else f"{'' if text.endswith(',') else ','} {line}"
    return text


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
