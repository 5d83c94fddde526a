"""Summary for people who approve a plan."""

from typing import Any

from tools.release.plan import PlanSummary


def resource(address: str, *actions: str, **change: Any) -> dict[str, Any]:
    """One of a plan's changes, as `terraform show -json` prints it."""
    return {"address": address, "type": address.split(".")[-2], "change": {"actions": list(actions), **change}}


def summary(*resources: dict[str, Any]) -> PlanSummary:
    """The summary of a plan of these changes."""
    return PlanSummary.of({"format_version": "1.2", "resource_changes": list(resources)})


def test_a_plan_without_changes_is_reported_as_such() -> None:
    """Reading and doing nothing are no changes."""
    nothing = summary(resource("aws_sqs_queue.a", "no-op"), resource("data.aws_region.b", "read"))
    assert nothing.changes == ()
    assert "No changes." in nothing.markdown("hub")


def test_costly_changes_come_first() -> None:
    """A function's memory before its role; what is destroyed with its data before both."""
    shown = summary(
        resource("aws_iam_role.a", "create"),
        resource(
            "module.cell.aws_lambda_function.b", "update", before={"memory_size": 512}, after={"memory_size": 1769}
        ),
        resource("aws_dynamodb_table.c", "delete", "create"),
    ).markdown("hub")
    table, memory, role = (
        shown.index(name) for name in ("aws_dynamodb_table.c", "memory_size 512 → 1769", "aws_iam_role.a")
    )
    assert table < memory < role
    assert "replace `aws_dynamodb_table.c`: **what it holds is lost**" in shown
    assert "1 to create, 1 to change, 1 to replace, 0 to destroy" in shown


def test_a_change_that_costs_nothing_is_among_the_others() -> None:
    """A function's new image, say: it is the point of every release."""
    (change,) = summary(
        resource("aws_lambda_function.a", "update", before={"image_uri": "x"}, after={"image_uri": "y"})
    ).changes
    assert not change.costs
    assert change.line == "- change `aws_lambda_function.a`"


def test_created_and_destroyed_resources_count_as_costly() -> None:
    """Provisioned concurrency, queues, tables, alarms, by being there."""
    kinds = (
        "aws_lambda_provisioned_concurrency_config",
        "aws_sqs_queue",
        "aws_dynamodb_table",
        "aws_cloudwatch_metric_alarm",
    )
    changes = summary(*(resource(f"{kind}.a", action) for kind in kinds for action in ("create", "delete"))).changes
    assert len(changes) == 8
    assert all(change.costs for change in changes)


def test_numbers_that_cost_are_shown() -> None:
    """The value before and after; an unknown one is marked as such."""
    (change,) = summary(
        resource(
            "aws_lambda_provisioned_concurrency_config.live[0]",
            "create",
            before=None,
            after={"provisioned_concurrent_executions": 100},
        )
    ).changes
    assert change.attributes == ("provisioned_concurrent_executions none → 100",)
    (unknown,) = summary(
        resource("aws_lambda_function.a", "update", before={"timeout": 1}, after={}, after_unknown={"timeout": True})
    ).changes
    assert unknown.attributes == ("timeout known after the apply",)


def test_sensitive_values_are_hidden() -> None:
    """A comment on a pull request is public."""
    (change,) = summary(
        resource(
            "aws_lambda_function.a",
            "update",
            before={"timeout": "secret"},
            after={"timeout": "secrets"},
            after_sensitive={"timeout": True},
        )
    ).changes
    assert change.attributes == ("timeout (sensitive)",)


def test_a_long_plan_is_cut() -> None:
    """GitHub takes no comment of any length."""
    shown = summary(*(resource(f"aws_iam_role.role{number}", "create") for number in range(1_000))).markdown("hub")
    assert "and 800 more" in shown
    assert len(shown) < 65_536
