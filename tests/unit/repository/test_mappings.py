"""No queue may take the account's concurrency from new connections.

Lambda raises the concurrency of a queue's mapping up to 1,250, and a new account has 1,000 for all its functions:
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html
"""

import re

import pytest

from tests.support.checkout import ROOT

MAPPINGS = {
    f"{path.parent.parent.name}.{path.parent.name}.{found[1]}": found[2]
    for path in sorted(ROOT.glob("terraform/*/*/*.tf"))
    for found in re.finditer(
        r'^resource "aws_lambda_event_source_mapping" "(\w+)" \{\n(.*?)^\}', path.read_text(), re.MULTILINE | re.DOTALL
    )
}


def reads_a_stream(mapping: str) -> bool:
    """Tell whether the mapping reads a stream, which has as many invocations at once as shards times its factor."""
    return "starting_position" in mapping


def test_mappings_of_both_kinds_are_found_in_modules_and_stacks() -> None:
    """So that the rule below holds for something."""
    assert {reads_a_stream(mapping) for mapping in MAPPINGS.values()} == {True, False}
    assert {name.partition(".")[0] for name in MAPPINGS} == {"modules", "stacks"}


@pytest.mark.parametrize("name", [name for name, mapping in MAPPINGS.items() if not reads_a_stream(mapping)])
def test_every_mapping_of_a_queue_has_a_maximum_of_concurrent_invocations(name: str) -> None:
    """A backlog of one queue must not stop all others, and the handshakes."""
    assert "maximum_concurrency" in MAPPINGS[name]
