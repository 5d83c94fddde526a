"""The right to tag that a request needs when it creates something with tags."""

import json

import pytest

from tools.emulator.aws.tag_actions import tag_action

STAGES = "/v2/apis/a1/stages"


@pytest.mark.parametrize(
    ("action", "path", "tagging"),
    [
        ("apigateway:POST", STAGES, "apigateway:TagResource"),
        ("apigateway:POST", "/v2/apis", None),
        ("apigateway:POST", "/v2/apis/a1/routes", None),
        ("apigateway:PATCH", f"{STAGES}/live", None),
        ("lambda:CreateFunction", "/2015-03-31/functions", "lambda:TagResource"),
        ("lambda:UpdateFunctionCode", "/2015-03-31/functions/f/code", None),
        ("sqs:CreateQueue", "/", "sqs:TagQueue"),
        ("sqs:SendMessage", "/", None),
    ],
)
@pytest.mark.parametrize("name", ["tags", "Tags"])
def test_creating_with_tags_requires_permission_to_tag(action: str, path: str, tagging: str | None, name: str) -> None:
    """Services write the field in two ways."""
    assert tag_action(action, path, json.dumps({name: {"Project": "loudhailer"}}).encode()) == tagging


@pytest.mark.parametrize("body", [b"", b"{}", b'{"tags":{}}', b"[]", b"Action=CreateTopic&Name=tags", b"\xff"])
def test_creating_without_tags_requires_no_other_permission(body: bytes) -> None:
    """An empty set of tags is none."""
    assert tag_action("sns:CreateTopic", "/", body) is None


def test_tags_in_a_form_are_found() -> None:
    """SNS and IAM take their requests as forms."""
    assert tag_action("sns:CreateTopic", "/", b"Name=n&Tags.member.1.Key=k") == "sns:TagResource"
