"""IAM's decisions are written down as a second engine needs them."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tools.emulator.aws.decisions import Policies, written_down


@dataclass
class Statement:
    """A statement, as MiniStack parses it."""

    effect: str
    actions: list[str]
    resources: list[str]
    not_actions: list[str] = field(default_factory=list)
    not_resources: list[str] = field(default_factory=list)
    conditions: dict[str, Any] = field(default_factory=dict)


@dataclass
class Context:
    """A question, as MiniStack puts it."""

    resource_arn: str
    action: str = "dynamodb:GetItem"
    principal_arn: str = "arn:aws:sts::111111111111:assumed-role/connect/session"
    principal_account: str = "111111111111"
    service_context: dict[str, Any] = field(default_factory=lambda: {"aws:tagkeys": None})
    principal_keys: dict[str, Any] = field(default_factory=lambda: {"aws:userid": "connect"})


POLICIES: Policies = [[Statement("Allow", ["dynamodb:GetItem"], ["*"], conditions={"Null": {"aws:userid": "false"}})]]


def test_a_decision_is_a_line_with_the_question_the_policies_and_the_answer(tmp_path: Path) -> None:
    """The answer goes to the caller as it is; keys without a value are left out."""
    path = tmp_path / "decisions"
    values = {"aws:SecureTransport": "true"}
    decide = written_down(lambda *_: "Allow", path, decision_of=str, value_of=lambda key, _: values.get(key))
    assert decide(Context("arn:one"), POLICIES, POLICIES) == "Allow"
    (line,) = map(json.loads, path.read_text().splitlines())
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": ["dynamodb:GetItem"],
                "Resource": ["*"],
                "Condition": {"Null": {"aws:userid": "false"}},
            }
        ],
    }
    assert line == {
        "principal": "arn:aws:sts::111111111111:assumed-role/connect/session",
        "account": "111111111111",
        "action": "dynamodb:GetItem",
        "resource": "arn:one",
        "context": {"aws:userid": "connect", "aws:SecureTransport": "true"},
        "policies": [document],
        "limits": [[document]],
        "decision": "Allow",
    }


def test_few_of_many_similar_decisions_are_written(tmp_path: Path) -> None:
    """A role asks for the rows of thousands; another action, or another answer, is another kind."""
    path = tmp_path / "decisions"
    answers = iter(["Allow"] * 9 + ["ImplicitDeny"])
    decide = written_down(lambda *_: next(answers), path, decision_of=str, value_of=lambda *_: None)
    for number in range(8):
        decide(Context(f"arn:{number}"), POLICIES)
    decide(Context("arn:8", action="dynamodb:Query"), POLICIES)
    decide(Context("arn:9"), POLICIES)
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert [line["resource"] for line in lines] == [*(f"arn:{number}" for number in range(4)), "arn:8", "arn:9"]


def test_actions_of_services_in_their_own_name_are_omitted(tmp_path: Path) -> None:
    """A topic that sends to a queue is asked about by the queue's policy alone."""
    path = tmp_path / "decisions"
    decide = written_down(lambda *_: "Allow", path, decision_of=str, value_of=lambda *_: None)
    assert decide(Context("arn:queue", principal_arn="*"), POLICIES) == "Allow"
    assert not path.exists()


def test_a_statement_without_a_resource_is_about_the_resource_that_is_asked_for(tmp_path: Path) -> None:
    """A policy of an ECR repository names none; the second engine takes each policy for one of the caller."""
    path = tmp_path / "decisions"
    decide = written_down(lambda *_: "Allow", path, decision_of=str, value_of=lambda *_: None)
    decide(Context("arn:one"), [[Statement("Allow", ["ecr:PutImage"], [])]])
    (line,) = map(json.loads, path.read_text().splitlines())
    assert line["policies"][0]["Statement"] == [{"Effect": "Allow", "Action": ["ecr:PutImage"], "Resource": ["*"]}]
