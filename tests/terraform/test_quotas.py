"""The check of AWS's quotas finds each of them broken, and nothing in a plan that keeps them."""

import json
from typing import Any

import pytest

from tests.terraform.quotas import DOCUMENTS, MOCK_QUEUE_ARN, MOCK_QUEUE_URL, NAMES, PlannedResource, broken


def document(characters: int, *, spaces: int = 0) -> str:
    """A policy of so many characters, and some white space."""
    empty = json.dumps({"Statement": ""}, separators=(",", ":"))
    return " " * spaces + json.dumps({"Statement": "x" * (characters - len(empty))}, separators=(",", ":"))


def function(name: str, reserved: int = -1, **variables: str) -> PlannedResource:
    """A function in a plan."""
    values: dict[str, Any] = {"function_name": name, "reserved_concurrent_executions": reserved}
    return PlannedResource(
        f"aws_lambda_function.{name}", "aws_lambda_function", values | {"environment": [{"variables": variables}]}
    )


@pytest.mark.parametrize("kind", NAMES)
def test_a_name_over_the_aws_limit_is_found(kind: str) -> None:
    """One character more is found in the plan."""
    attribute, most = NAMES[kind]
    legal, illegal = (PlannedResource(f"{kind}.a", kind, {attribute: "n" * length}) for length in (most, most + 1))
    assert broken([legal], concurrency=1_000) == []
    assert broken([illegal], concurrency=1_000) == [f"{kind}.a has a name of more than {most} characters."]


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_policy_over_the_aws_limit_is_found(kind: str) -> None:
    """White space is not counted."""
    attribute, most = DOCUMENTS[kind]
    legal = PlannedResource(f"{kind}.a", kind, {attribute: document(most, spaces=50)})
    illegal = PlannedResource(f"{kind}.a", kind, {attribute: document(most + 1)})
    assert broken([legal], concurrency=1_000) == []
    assert broken([illegal], concurrency=1_000) == [f"{kind}.a has a policy of more than {most:,} characters."]


def test_the_policies_of_a_role_are_counted_together() -> None:
    """Two that fit alone are too long for one role; of two modules, each has a role of its own."""

    def policies(*modules: str) -> list[PlannedResource]:
        kind = "aws_iam_role_policy"
        return [
            PlannedResource(f"{module}{kind}.{number}", kind, {"role": "id", "policy": document(6_000)})
            for number, module in enumerate(modules)
        ]

    assert broken(policies("module.a.", "module.b."), concurrency=1_000) == []
    assert len(broken(policies("module.a.", "module.a."), concurrency=1_000)) == 1


def test_the_variables_of_a_function_are_limited_to_four_kilobytes() -> None:
    """Bytes, not characters."""
    assert broken([function("a", QUEUES="x" * 4_083)], concurrency=1_000) == []
    assert len(broken([function("a", QUEUES="x" * 4_084)], concurrency=1_000)) == 1


@pytest.mark.parametrize(("shards", "problems"), [(32, 0), (42, 1)])
def test_queues_are_measured_with_the_longest_names(shards: int, problems: int) -> None:
    """A plan has one short URL for all queues; `query` has the URL of each shard, and half a kilobyte besides."""
    urls = json.dumps([MOCK_QUEUE_URL] * shards, separators=(",", ":"))
    query = function("query", SHARD_QUEUE_URLS=urls, OTHERS="x" * 512)
    assert len(broken([query], concurrency=1_000)) == problems
    policy = json.dumps({"Resource": [MOCK_QUEUE_ARN] * (shards * 4)})
    kind = "aws_iam_role_policy"
    assert len(broken([PlannedResource(f"{kind}.a", kind, {"role": "a", "policy": policy})], concurrency=1)) == problems


def test_reserved_concurrency_leaves_a_hundred_executions_unreserved() -> None:
    """-1 is AWS's way to say that nothing is reserved; a new account has 10, and nothing to reserve."""
    assert broken([function("a", 450), function("b", 450), function("c")], concurrency=1_000) == []
    assert len(broken([function("a", 450), function("b", 451)], concurrency=1_000)) == 1
    assert broken([function("a")], concurrency=10) == []
