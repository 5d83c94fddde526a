"""The architecture page names every function, and every table and queue of the Terraform modules."""

import re

import pytest

from tests.support.checkout import ROOT, functions

PAGE = (ROOT / "docs" / "architecture.md").read_text()
FIRST_CELL = re.compile(r"^\| (`[^|]+) \|", re.MULTILINE)
NAMED = re.compile(r'^  name +\= "\$\{var\.deployment\.prefix\}-([\w.-]+)"$', re.MULTILINE)
WORK_QUEUE = re.compile(r'^  names +\= \[(?:for \w+ in [\w.\[\]*]+ : )?"(\w+)"\]$', re.MULTILINE)


def described() -> set[str]:
    """The names in the first column of all tables of the page."""
    return {name for cell in FIRST_CELL.findall(PAGE) for name in re.findall(r"`([^`]+)`", cell)}


def declared(resource: str) -> set[str]:
    """The names that the modules give to resources of a type, if they are not computed."""
    sources = [path.read_text() for path in (ROOT / "terraform" / "modules").glob("*/*.tf")]
    blocks = [block for source in sources for block in source.split(f'\nresource "{resource}" ')[1:]]
    named = {name for block in blocks for name in NAMED.findall(block.partition("\n}")[0])}
    return named | (work_queues(sources) if resource == "aws_sqs_queue" else set())


def work_queues(sources: list[str]) -> set[str]:
    """The queues of calls of the module `work_queue`, if their names are not computed."""
    calls = [call for source in sources for call in source.split('\n  source = "../work_queue"\n')[1:]]
    blocks = [call.partition("\n}")[0] for call in calls]
    return {
        name + (".fifo" if re.search(r"^  fifo +\= true$", block, re.MULTILINE) else "")
        for block in blocks
        for name in WORK_QUEUE.findall(block)
    }


def test_every_function_is_described() -> None:
    """Functions of further cells, too, which the end-to-end test of the hub does not see."""
    assert set(functions()) - described() == set()


@pytest.mark.parametrize(("resource", "example"), [("aws_dynamodb_table", "placements"), ("aws_sqs_queue", "beat")])
def test_every_table_and_queue_is_described(resource: str, example: str) -> None:
    """`tests/e2e/test_architecture.py` compares the applied hub, whose other queues have computed names."""
    names = declared(resource)
    assert example in names
    assert names - described() == set()
