"""Tables and queues that a plan may destroy, and others that it must not."""

from typing import Any

import pytest

from tools.errors import OperatorError
from tools.release.losses import require_no_loss
from tools.release.plan import PlanSummary

SHARD = "loudhailer-dev-shard-1"
TABLE = "loudhailer-dev-places"
USERS = {
    "query:3": {"SHARD_QUEUE_URLS": f'["https://sqs.eu-central-1.amazonaws.com/222222222222/{SHARD}"]'},
    "session_api:4": {"PLACES_TABLE": TABLE},
}
OTHERS = {
    "query:4": {"SHARD_QUEUE_URLS": f'["https://sqs.eu-central-1.amazonaws.com/222222222222/{SHARD}0"]'},
    "session_api:5": {"PLACES_TABLE": f"a-{TABLE}"},
}


def plan(*resources: tuple[str, str, tuple[str, ...], str]) -> PlanSummary:
    """A plan that does this: type, address, actions, name in AWS."""
    changes = [
        {
            "type": kind,
            "address": address,
            "change": {"actions": list(actions), "before": {"function_name" if "lambda" in kind else "name": name}},
        }
        for kind, address, actions, name in resources
    ]
    document: dict[str, Any] = {"resource_changes": changes}
    return PlanSummary.of(document)


QUEUE_GOES = ("aws_sqs_queue", 'aws_sqs_queue.work["shard-1"]', ("delete",), SHARD)
TABLE_IS_ANOTHER = ("aws_dynamodb_table", "aws_dynamodb_table.places", ("delete", "create"), TABLE)


@pytest.mark.parametrize("allowed", [False, True])
@pytest.mark.parametrize(("lost", "user"), [(QUEUE_GOES, "query:3"), (TABLE_IS_ANOTHER, "session_api:4")])
def test_a_plan_that_destroys_resources_of_a_running_version_is_refused(lost: Any, user: str, *, allowed: bool) -> None:
    """Even if somebody allows it: while the traffic shifts, that version would fail."""
    with pytest.raises(OperatorError, match=f"destroys {lost[3]}, which {user} works with") as refused:
        require_no_loss(plan(lost), USERS, allowed=allowed)
    assert "runbook" in refused.value.remedy


@pytest.mark.parametrize("lost", [QUEUE_GOES, TABLE_IS_ANOTHER])
def test_a_plan_that_destroys_resources_without_permission_is_refused(lost: Any) -> None:
    """Sources that are older than those applied last look like that. A longer name is another one."""
    with pytest.raises(OperatorError, match="with what it holds") as refused:
        require_no_loss(plan(lost), OTHERS, allowed=False)
    assert lost[1] in refused.value.problem
    assert "ALLOW_DESTROY=true" in refused.value.remedy
    assert "make current" in refused.value.remedy
    require_no_loss(plan(lost), OTHERS, allowed=True)


def test_a_function_may_go_together_with_its_table() -> None:
    """Nothing of it runs once both are gone."""
    function = ("aws_lambda_function", "module.session_api.aws_lambda_function.this", ("delete",), "session_api")
    require_no_loss(plan(TABLE_IS_ANOTHER, function), USERS, allowed=True)
    with pytest.raises(OperatorError, match="query:3 works with"):
        require_no_loss(plan(QUEUE_GOES, TABLE_IS_ANOTHER, function), USERS, allowed=True)


def test_a_plan_without_losses_needs_no_permission() -> None:
    """A queue that is made or changed, and a log group that goes, are no losses."""
    kept = [("aws_sqs_queue", "a", ("update",), SHARD), ("aws_sqs_queue", "b", ("create",), SHARD)]
    require_no_loss(plan(*kept, ("aws_cloudwatch_log_group", "c", ("delete",), SHARD)), USERS, allowed=False)
