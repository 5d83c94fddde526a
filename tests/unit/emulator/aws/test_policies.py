"""Policies as the local AWS evaluates them, with the gaps closed: vectors from AWS's documentation.

Each says where its policy is. The policies are shortened where that does not change what is tested.
"""

import json
from collections.abc import Mapping
from typing import Any

import pytest
from ministack.core import iam_evaluator
from ministack.core.iam_evaluator import EvalContext, evaluate, evaluate_trust_policy, parse_policy_document

from tools.emulator.aws.gaps.policy_variables import conditions_met, first_match
from tools.emulator.aws.gaps.request_context import value_of

ACCOUNT = "123456789012"
TABLES = f"arn:aws:dynamodb:us-west-2:{ACCOUNT}:table"


@pytest.fixture(autouse=True)
def _gaps_are_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the launcher patches the evaluation."""
    monkeypatch.setattr(iam_evaluator, "_first_match", first_match)
    monkeypatch.setattr(iam_evaluator, "_conditions_met", conditions_met)
    monkeypatch.setattr(iam_evaluator, "_resolve_condition_key", value_of)


def decision(
    statement: Mapping[str, Any],
    action: str,
    resource: str,
    context: Mapping[str, Any] | None = None,
    *,
    principal: str = f"arn:aws:sts::{ACCOUNT}:assumed-role/GameRole/session",
) -> str:
    """`Allow`, `Deny`, or `ImplicitDeny`: what a policy of this statement says of a request with this context."""
    policy = {"Version": "2012-10-17", "Statement": [statement]}
    answer: str = evaluate(
        EvalContext(
            principal_arn=principal,
            principal_type="AssumedRole",
            principal_account=ACCOUNT,
            action=action,
            resource_arn=resource,
            region="us-west-2",
            service_context={key.lower(): value for key, value in (context or {}).items()},
        ),
        [parse_policy_document(json.dumps(policy))],
    ).decision
    return answer


USER_ITEMS = {
    "Sid": "FullAccessToUserItems",
    "Effect": "Allow",
    "Action": ["dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:Query", "dynamodb:PutItem"],
    "Resource": [f"{TABLES}/GameScores"],
    "Condition": {"ForAllValues:StringEquals": {"dynamodb:LeadingKeys": ["${www.amazon.com:user_id}"]}},
}
"""Example 1 of https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html."""

USER = {"www.amazon.com:user_id": "amzn1.bob"}


@pytest.mark.parametrize(
    ("action", "leading", "expected"),
    [
        ("GetItem", ["amzn1.bob"], "Allow"),
        ("BatchGetItem", ["amzn1.bob", "amzn1.bob"], "Allow"),
        ("GetItem", ["amzn1.eve"], "ImplicitDeny"),
        ("GetItem", ["amzn1.bobby"], "ImplicitDeny"),
        ("BatchGetItem", ["amzn1.bob", "amzn1.eve"], "ImplicitDeny"),
        ("DeleteItem", ["amzn1.bob"], "ImplicitDeny"),
    ],
)
def test_users_reach_items_of_their_own_key(action: str, leading: list[str], expected: str) -> None:
    """Example 1: "user actions only on the items whose UserID partition key value matches"."""
    context = {**USER, "dynamodb:LeadingKeys": leading}
    assert decision(USER_ITEMS, f"dynamodb:{action}", f"{TABLES}/GameScores", context) == expected


def test_a_scan_is_not_in_the_list_because_it_returns_all_items() -> None:
    """Example 1: "because Scan returns all items regardless of the leading keys": a condition alone lets it pass."""
    scan = {**USER_ITEMS, "Action": ["dynamodb:Scan"]}
    assert decision(USER_ITEMS, "dynamodb:Scan", f"{TABLES}/GameScores", USER) == "ImplicitDeny"
    assert decision(scan, "dynamodb:Scan", f"{TABLES}/GameScores", USER) == "Allow"


def test_a_variable_without_a_value_makes_the_statement_invalid() -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html#policy-vars-no-value."""
    context = {"dynamodb:LeadingKeys": [""]}
    assert decision(USER_ITEMS, "dynamodb:GetItem", f"{TABLES}/GameScores", context) == "ImplicitDeny"


ATTRIBUTES_AND_KEYS = {
    "Effect": "Allow",
    "Action": ["dynamodb:UpdateItem", "dynamodb:GetItem", "dynamodb:Query", "dynamodb:BatchGetItem"],
    "Resource": [f"{TABLES}/GameScores", f"{TABLES}/GameScores/index/TopScoreDateTimeIndex"],
    "Condition": {
        "ForAllValues:StringEquals": {
            "dynamodb:LeadingKeys": ["${graph.facebook.com:id}"],
            "dynamodb:Attributes": ["attribute-A", "attribute-B"],
        },
        "StringEqualsIfExists": {
            "dynamodb:Select": "SPECIFIC_ATTRIBUTES",
            "dynamodb:ReturnValues": ["NONE", "UPDATED_OLD", "UPDATED_NEW"],
        },
    },
}
"""Example 5 of the same page."""


@pytest.mark.parametrize(
    ("resource", "change", "expected"),
    [
        ("GameScores", {}, "Allow"),
        ("GameScores/index/TopScoreDateTimeIndex", {}, "Allow"),
        ("GameScores/index/Another", {}, "ImplicitDeny"),
        ("GameScores", {"dynamodb:LeadingKeys": ["8"]}, "ImplicitDeny"),
        ("GameScores", {"dynamodb:Attributes": ["attribute-A", "attribute-C"]}, "ImplicitDeny"),
        ("GameScores", {"dynamodb:Select": "ALL_ATTRIBUTES"}, "ImplicitDeny"),
        ("GameScores", {"dynamodb:Select": None, "dynamodb:ReturnValues": "ALL_OLD"}, "ImplicitDeny"),
        ("GameScores", {"dynamodb:Select": None, "dynamodb:ReturnValues": "UPDATED_NEW"}, "Allow"),
    ],
)
def test_keys_attributes_and_indexes_are_limited_together(resource: str, change: dict[str, Any], expected: str) -> None:
    """Example 5: its three notes."""
    context = {
        "graph.facebook.com:id": "7",
        "dynamodb:LeadingKeys": ["7"],
        "dynamodb:Attributes": ["attribute-A"],
        "dynamodb:Select": "SPECIFIC_ATTRIBUTES",
        **change,
    }
    assert decision(ATTRIBUTES_AND_KEYS, "dynamodb:Query", f"{TABLES}/{resource}", context) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["PostDateTime", "Message"], "Allow"),
        (["PostDateTime", "Message", "ID"], "ImplicitDeny"),
        (["PostDateTime", "UserName"], "ImplicitDeny"),
    ],
)
def test_for_all_values_asks_for_every_value_of_the_request(attributes: list[str], expected: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_multi-value-conditions.html: table Thread."""
    allowed = {"dynamodb:requestedAttributes": ["PostDateTime", "Message", "Tags"]}
    statement = {
        "Effect": "Allow",
        "Action": "dynamodb:GetItem",
        "Resource": f"{TABLES}/Thread",
        "Condition": {"ForAllValues:StringLike": allowed},
    }
    context = {"dynamodb:requestedAttributes": attributes}
    assert decision(statement, "dynamodb:GetItem", f"{TABLES}/Thread", context) == expected


@pytest.mark.parametrize(
    ("attributes", "expected"),
    [
        (["PostDateTime", "Message"], "Deny"),
        (["UserName", "Message", "PostDateTime"], "Deny"),
        (["UserName"], "ImplicitDeny"),
        (None, "ImplicitDeny"),
    ],
)
def test_for_any_value_asks_for_one_value_of_the_request(attributes: list[str] | None, expected: str) -> None:
    """The same page, the policy that denies PutItem."""
    denied = {"dynamodb:requestedAttributes": ["ID", "PostDateTime"]}
    statement = {
        "Effect": "Deny",
        "Action": "dynamodb:PutItem",
        "Resource": f"{TABLES}/Thread",
        "Condition": {"ForAnyValue:StringLike": denied},
    }
    context = {"dynamodb:requestedAttributes": attributes}
    assert decision(statement, "dynamodb:PutItem", f"{TABLES}/Thread", context) == expected


@pytest.mark.parametrize(
    ("tag_keys", "expected"),
    [
        (["key1-a", "key3"], "Deny"),
        (["key1-a", "other"], "ImplicitDeny"),
        (None, "ImplicitDeny"),
    ],
)
def test_null_keeps_for_all_values_from_holding_for_nothing(tag_keys: list[str] | None, expected: str) -> None:
    """The policy DenyRestrictedTags.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition_examples-multi-valued-context-keys.html.
    """
    statement = {
        "Sid": "DenyRestrictedTags",
        "Effect": "Deny",
        "Action": ["iam:Tag*", "iam:UnTag*"],
        "Resource": ["*"],
        "Condition": {
            "Null": {"aws:TagKeys": "false"},
            "ForAllValues:StringLike": {"aws:TagKeys": ["key1*", "key2*", "key3*"]},
        },
    }
    assert decision(statement, "iam:TagRole", "*", {"aws:TagKeys": tag_keys}) == expected


@pytest.mark.parametrize(
    ("resource", "user", "expected"),
    [
        ("arn:aws:s3:::mybucket/David/photo", "David", "Allow"),
        ("arn:aws:s3:::mybucket/Davida/photo", "David", "ImplicitDeny"),
        ("arn:aws:s3:::mybucket/Eve/photo", "David", "ImplicitDeny"),
        ("arn:aws:s3:::mybucket/${aws:username}/photo", None, "ImplicitDeny"),
    ],
)
def test_a_variable_is_replaced_by_its_value_in_a_resource(resource: str, user: str | None, expected: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html, the bucket with folders."""
    statement = {
        "Effect": "Allow",
        "Action": ["s3:GetObject"],
        "Resource": ["arn:aws:s3:::mybucket/${aws:username}/*"],
    }
    assert decision(statement, "s3:GetObject", resource, {"aws:username": user}) == expected


@pytest.mark.parametrize(
    ("tag", "resource", "expected"),
    [
        ({"aws:PrincipalTag/department": "red"}, "arn:aws:s3:::bucket/red", "Allow"),
        ({"aws:PrincipalTag/Department": "red"}, "arn:aws:s3:::bucket/red", "Allow"),
        ({"aws:PrincipalTag/department": "blue"}, "arn:aws:s3:::bucket/red", "ImplicitDeny"),
        ({}, "arn:aws:s3:::bucket/", "ImplicitDeny"),
    ],
)
def test_a_tag_of_the_principal_is_a_variable(tag: dict[str, str], resource: str, expected: str) -> None:
    """The same page, "Tags as policy variables"; names of keys do not differ by case."""
    statement = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": ["arn:aws:s3:::bucket/${aws:PrincipalTag/department}"],
    }
    assert decision(statement, "s3:GetObject", resource, tag) == expected


@pytest.mark.parametrize(("user", "value"), [("AIDA7", "AIDA7"), (None, "anonymous")])
def test_a_variable_may_have_a_default(user: str | None, value: str) -> None:
    """The same page, "Specifying default values"."""
    statement = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": ["arn:aws:s3:::bucket/${aws:userid, 'anonymous'}"],
    }
    assert decision(statement, "s3:GetObject", f"arn:aws:s3:::bucket/{value}", {"aws:userid": user}) == "Allow"


def test_a_multivalued_key_is_not_a_variable() -> None:
    """The same page: a multivalued key cannot be one."""
    statement = {
        "Effect": "Allow",
        "Action": "s3:GetObject",
        "Resource": ["arn:aws:s3:::bucket/${aws:TagKeys}"],
    }
    context = {"aws:TagKeys": ["a"]}
    assert decision(statement, "s3:GetObject", "arn:aws:s3:::bucket/a", context) == "ImplicitDeny"


CALLER = f"arn:aws:iam::{ACCOUNT}:user/test-session-tags"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Sid": "AllowIamUserAssumeRole",
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"AWS": CALLER},
            "Condition": {
                "StringLike": {
                    "aws:RequestTag/Project": "*",
                    "aws:RequestTag/CostCenter": "*",
                    "aws:RequestTag/Department": "*",
                },
                "StringEquals": {"sts:ExternalId": "Example987"},
            },
        },
        {
            "Sid": "AllowPassSessionTagsAndTransitive",
            "Effect": "Allow",
            "Action": "sts:TagSession",
            "Principal": {"AWS": CALLER},
            "Condition": {
                "StringLike": {"aws:RequestTag/Project": "*", "aws:RequestTag/CostCenter": "*"},
                "StringEquals": {"aws:RequestTag/Department": ["Engineering", "Marketing"]},
                "ForAllValues:StringEquals": {"sts:TransitiveTagKeys": ["Project", "Department"]},
            },
        },
    ],
}
"""The trust policy of https://docs.aws.amazon.com/IAM/latest/UserGuide/id_session-tags.html."""

TAGS = {"Project": "Automation", "CostCenter": "12345", "Department": "Engineering"}


@pytest.mark.parametrize(
    ("tags", "transitive", "caller", "allowed"),
    [
        (TAGS, ["Project", "Department"], CALLER, {"AssumeRole", "TagSession"}),
        (TAGS, None, CALLER, {"AssumeRole", "TagSession"}),
        (TAGS, ["Project", "CostCenter"], CALLER, {"AssumeRole"}),
        ({**TAGS, "Department": "Sales"}, None, CALLER, {"AssumeRole"}),
        ({"Project": "Automation", "Department": "Engineering"}, None, CALLER, set()),
        ({}, None, CALLER, set()),
        (TAGS, None, f"arn:aws:iam::{ACCOUNT}:user/another", set()),
    ],
    ids=[
        "as shown",
        "no transitive tags",
        "another transitive tag",
        "Sales",
        "no CostCenter",
        "no tags",
        "another user",
    ],
)
def test_a_trust_policy_demands_tags_and_limits_them(
    tags: dict[str, str], transitive: list[str] | None, caller: str, allowed: set[str]
) -> None:
    """The same page, "What does this policy do?"."""

    def allows(action: str) -> bool:
        context = EvalContext(
            principal_arn=caller,
            principal_type="User",
            principal_account=ACCOUNT,
            action=f"sts:{action}",
            resource_arn=f"arn:aws:iam::{ACCOUNT}:role/my-role-example",
            region="us-west-2",
            request_tags=tags,
            tag_keys=list(tags),
            service_context={"sts:externalid": "Example987", "sts:transitivetagkeys": transitive},
        )
        answer: bool = evaluate_trust_policy(json.dumps(TRUST), caller, context)
        return answer

    assert {action for action in ("AssumeRole", "TagSession") if allows(action)} == allowed


PRINCIPALS = f"arn:aws:iam::{ACCOUNT}"


@pytest.mark.parametrize(
    ("principal", "named", "expected"),
    [
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/role-name/role-session-name", f"{PRINCIPALS}:role/role-name", "Allow"),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/role-name/role-session-name", f"{PRINCIPALS}:role/role-*", "Allow"),
        (f"{PRINCIPALS}:user/user-name", f"{PRINCIPALS}:user/user-name", "Allow"),
        (f"{PRINCIPALS}:root", f"{PRINCIPALS}:root", "Allow"),
        (
            f"arn:aws:sts::{ACCOUNT}:assumed-role/role-name/role-session-name",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/role-name/role-session-name",
            "ImplicitDeny",
        ),
        (f"arn:aws:sts::{ACCOUNT}:assumed-role/other-name/role-name", f"{PRINCIPALS}:role/role-name", "ImplicitDeny"),
        (
            "arn:aws:sts::111122223333:assumed-role/role-name/role-session-name",
            f"{PRINCIPALS}:role/role-name",
            "ImplicitDeny",
        ),
        (f"{PRINCIPALS}:user/role-name", f"{PRINCIPALS}:role/role-name", "ImplicitDeny"),
    ],
)
def test_the_principal_of_a_session_is_its_role(principal: str, named: str, expected: str) -> None:
    """https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html#condition-keys-principalarn."""
    statement = {
        "Effect": "Allow",
        "Action": ["sqs:ReceiveMessage"],
        "Resource": ["*"],
        "Condition": {"ArnLike": {"aws:PrincipalArn": named}},
    }
    assert decision(statement, "sqs:ReceiveMessage", "*", principal=principal) == expected
