"""The page on the protocol lists all codes of error frames, and each of them is in use."""

import ast
import re

from loudhailer.errors import ErrorCode
from tests.support.checkout import ROOT, files

PROTOCOL = (ROOT / "docs" / "protocol.md").read_text()
TEMPLATES = ROOT / "terraform" / "modules" / "websocket_api" / "templates"


def listed() -> list[str]:
    """The codes in the first column of the page's table of error codes."""
    _, _, table = PROTOCOL.partition("\nThe codes of errors:\n")
    table, _, _ = table.strip().partition("\n\n")
    return [code for row in table.splitlines()[2:] for code in re.findall(r"`(\w+)`", row.split("|")[1])]


def used() -> set[str]:
    """The codes that a function names, and those in the templates that API Gateway answers with."""
    sources = (path for path in files() if path.parts[0] in {"functions", "shared"} and path.suffix == ".py")
    named = {
        node.attr
        for path in sources
        for node in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ErrorCode"
    }
    templates = "".join(path.read_text() for path in TEMPLATES.glob("*.vtl"))
    return named | set(re.findall(r'"code":"(\w+)"', templates))


def test_the_page_lists_every_code_once_and_no_other() -> None:
    """A client's author finds each code that a frame may have, with what to do about it."""
    assert sorted(listed()) == sorted(ErrorCode)


def test_every_code_is_in_use() -> None:
    """A code that no frame has is not left in the list."""
    assert used() == set(ErrorCode)


def test_the_value_of_a_code_is_its_name() -> None:
    """Clients see the value, and the page and the code use the name."""
    assert [code.value for code in ErrorCode] == [code.name for code in ErrorCode]
