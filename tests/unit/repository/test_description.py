"""The description of a deployment has every output that the operator's commands use."""

import re

from tests.support.checkout import ROOT

_USED = re.compile(r'outputs(?:\.get\(|\[)"(\w+)"')


def test_commands_find_every_output_that_they_use_in_the_description() -> None:
    """An output that is missing there would end a command with a KeyError, in production only."""
    sources = [ROOT / "tools" / "stack" / "deployment.py", *(ROOT / "tools" / "operations").glob("*.py")]
    used = {name for source in sources for name in _USED.findall(source.read_text())}
    stack = (ROOT / "terraform" / "stacks" / "hub" / "operations.tf").read_text()
    module = (ROOT / "terraform" / "modules" / "operations" / "description.tf").read_text()
    written = {*re.findall(r"^    (\w+) +=", stack[stack.index("  description = {") :], re.MULTILINE)}
    named = {*re.findall(r"^    (\w+) +=", module[module.index("  names_of = {") :], re.MULTILINE)}
    assert {"http_url", "tables", "auth"} <= used
    assert used <= written | named
