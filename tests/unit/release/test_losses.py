"""Tables and queues that a plan may destroy, and others that it must not."""

import re
from typing import Any

import pytest

from tools.errors import OperatorError
from tools.release.losses import require_no_loss
from tools.release.plan import PlanSummary

QUEUES = "https://sqs.eu-central-1.amazonaws.com/222222222222"
SHARD = "loudhailer-dev-shard-1"
TABLE = "loudhailer-dev-places"
USERS = {
    "query:3": {"SHARD_QUEUE_URLS": f'["{QUEUES}/{SHARD}"]'},
    "session_api:4": {"PLACES_TABLE": TABLE},
}
OTHERS = {
    "query:4": {"SHARD_QUEUE_URLS": f'["{QUEUES}/{SHARD}0"]'},
    "session_api:5": {"PLACES_TABLE": f"a-{TABLE}"},
}


def plan(*resources: tuple[str, str, tuple[str, ...], str]) -> PlanSummary:
    """A plan that does this: type, address, actions, name in AWS."""
    changes = [
        {
            "type": kind,
            "address": address,
            "change": {
                "actions": list(actions),
                "before": {"function_name" if "lambda" in kind else "name": name} | url_of(kind, name),
            },
        }
        for kind, address, actions, name in resources
    ]
    document: dict[str, Any] = {"resource_changes": changes}
    return PlanSummary.of(document)


def url_of(kind: str, name: str) -> dict[str, str]:
    """The URL of a queue, as a plan has it; nothing else has one."""
    return {"url": f"{QUEUES}/{name}"} if kind == "aws_sqs_queue" else {}


def no_messages(url: str) -> int:
    """Every queue is empty; only one that goes is looked at."""
    assert url == f"{QUEUES}/{SHARD}"
    return 0


QUEUE_GOES = ("aws_sqs_queue", 'aws_sqs_queue.work["shard-1"]', ("delete",), SHARD)
TABLE_IS_ANOTHER = ("aws_dynamodb_table", "aws_dynamodb_table.places", ("delete", "create"), TABLE)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(("lost", "user"), [(QUEUE_GOES, "query:3"), (TABLE_IS_ANOTHER, "session_api:4")])
def test_a_plan_that_destroys_resources_of_a_running_version_is_refused(lost: Any, user: str, *, allowed: bool) -> None:
    """Even if the operator allows it: while the traffic shifts, that version would fail."""
    with pytest.raises(OperatorError, match=f"destroys {lost[3]}, which {user} works with") as refused:
        require_no_loss(plan(lost), USERS, no_messages, allowed=allowed)
    assert "runbook" in refused.value.remedy


@pytest.mark.parametrize("lost", [QUEUE_GOES, TABLE_IS_ANOTHER])
def test_a_plan_that_destroys_resources_without_permission_is_refused(lost: Any) -> None:
    """Sources that are older than those applied last look like that. A longer name is another one."""
    with pytest.raises(OperatorError, match="with what it holds") as refused:
        require_no_loss(plan(lost), OTHERS, no_messages, allowed=False)
    assert lost[1] in refused.value.problem
    assert "ALLOW_DESTROY=true" in refused.value.remedy
    assert "make current" in refused.value.remedy
    require_no_loss(plan(lost), OTHERS, no_messages, allowed=True)


def test_a_function_may_go_together_with_its_table() -> None:
    """Nothing of it runs once both are gone."""
    function = ("aws_lambda_function", "module.session_api.aws_lambda_function.this", ("delete",), "session_api")
    require_no_loss(plan(TABLE_IS_ANOTHER, function), USERS, no_messages, allowed=True)
    with pytest.raises(OperatorError, match="query:3 works with"):
        require_no_loss(plan(QUEUE_GOES, TABLE_IS_ANOTHER, function), USERS, no_messages, allowed=True)


def test_a_plan_without_losses_needs_no_permission() -> None:
    """A queue that is made or changed, and a log group that goes, are no losses."""
    kept = [("aws_sqs_queue", "a", ("update",), SHARD), ("aws_sqs_queue", "b", ("create",), SHARD)]
    log_group = ("aws_cloudwatch_log_group", "c", ("delete",), SHARD)
    require_no_loss(plan(*kept, log_group), USERS, no_messages, allowed=False)


API_IS_ANOTHER = ("aws_apigatewayv2_api", "aws_apigatewayv2_api.websocket", ("delete", "create"), "loudhailer-dev")


def test_an_api_that_goes_must_be_given_up() -> None:
    """All connections end with it, and clients have another address to connect to."""
    with pytest.raises(OperatorError, match=re.escape("destroys aws_apigatewayv2_api.websocket,")):
        require_no_loss(plan(API_IS_ANOTHER), USERS, no_messages, allowed=False)
    require_no_loss(plan(API_IS_ANOTHER), USERS, no_messages, allowed=True)


def table_with_indexes(before: list[dict[str, Any]], after: list[dict[str, Any]]) -> PlanSummary:
    """A plan that changes a table in place."""
    change = {
        "actions": ["update"],
        "before": {"name": TABLE, "global_secondary_index": before},
        "after": {"name": TABLE, "global_secondary_index": after},
    }
    table = {"type": "aws_dynamodb_table", "address": "aws_dynamodb_table.places", "change": change}
    return PlanSummary.of({"resource_changes": [table]})


def test_an_index_that_goes_must_be_given_up() -> None:
    """The table stays, but functions of the release before may read the index. One that comes is no loss."""
    before, after = ([{"name": name} for name in names] for names in (["by-room", "by-player"], ["by-room", "by-age"]))
    summary = table_with_indexes(before, after)
    with pytest.raises(OperatorError, match=re.escape("destroys aws_dynamodb_table.places (index by-player),")):
        require_no_loss(summary, USERS, no_messages, allowed=False)
    require_no_loss(summary, USERS, no_messages, allowed=True)


BY_ROOM = {
    "name": "by-room",
    "hash_key": "room",
    "range_key": "",
    "projection_type": "INCLUDE",
    "non_key_attributes": ["age", "nick"],
    "read_capacity": 0,
}


@pytest.mark.parametrize(
    "changed",
    [{"hash_key": "hall"}, {"range_key": "age"}, {"projection_type": "ALL"}, {"non_key_attributes": ["age"]}],
    ids=lambda changed: next(iter(changed)),
)
def test_an_index_with_another_definition_must_be_given_up(changed: dict[str, Any]) -> None:
    """The provider makes it again under its name: until it is filled, nobody can read it."""
    with pytest.raises(OperatorError, match=re.escape("destroys aws_dynamodb_table.places (index by-room),")):
        require_no_loss(table_with_indexes([BY_ROOM], [BY_ROOM | changed]), USERS, no_messages, allowed=False)


def test_an_index_that_is_only_written_differently_is_kept() -> None:
    """Its attributes have no order, an empty key is none, and its capacity may change."""
    after = BY_ROOM | {"range_key": None, "non_key_attributes": ["nick", "age"], "read_capacity": 5}
    require_no_loss(table_with_indexes([BY_ROOM], [after]), USERS, no_messages, allowed=False)


def test_a_queue_that_still_has_messages_stays() -> None:
    """Even if the operator allows it: they are handled first, or purged."""
    with pytest.raises(OperatorError, match=f"destroys {SHARD}, which still has messages") as refused:
        require_no_loss(plan(QUEUE_GOES), OTHERS, lambda _: 1, allowed=True)
    assert "purge" in refused.value.remedy
