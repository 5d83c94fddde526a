"""Changes of a plan, for its approval: changes that cost money come first, then changes that destroy data."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

_COSTS: Mapping[str, frozenset[str]] = {
    resource: frozenset(attributes)
    for resource, attributes in {
        "aws_lambda_provisioned_concurrency_config": ["provisioned_concurrent_executions"],
        "aws_lambda_function": ["memory_size", "reserved_concurrent_executions", "architectures", "timeout"],
        "aws_lambda_event_source_mapping": ["scaling_config", "provisioned_poller_config"],
        "aws_sqs_queue": [],
        "aws_sns_topic": [],
        "aws_dynamodb_table": [
            *("billing_mode", "read_capacity", "write_capacity", "point_in_time_recovery"),
            *("global_secondary_index", "stream_enabled", "table_class", "replica"),
        ],
        "aws_cloudwatch_metric_alarm": [],
        "aws_cloudwatch_log_group": ["retention_in_days"],
        "aws_apigatewayv2_api": [],
        "aws_apigatewayv2_stage": ["default_route_settings", "route_settings"],
        "aws_s3_bucket": [],
        "aws_ecr_repository": [],
        "aws_kms_key": [],
    }.items()
}
"""Attributes that AWS bills for, by type of resource: being there costs, and so does a change of these attributes."""

_DATA = {"aws_dynamodb_table", "aws_s3_bucket", "aws_sqs_queue", "aws_ecr_repository", "aws_cloudwatch_log_group"}
_TABLE, _QUEUE, _API = "aws_dynamodb_table", "aws_sqs_queue", "aws_apigatewayv2_api"
_WORKED_WITH = {_TABLE, _QUEUE}
"""Types of resources that functions work with: a version that runs fails without one that it knows."""

_INDEX_DEFINITION = ("hash_key", "range_key", "key_schema", "projection_type")
_FUNCTION = "aws_lambda_function"
_VERBS = {
    ("create",): "create",
    ("update",): "change",
    ("delete",): "destroy",
    ("delete", "create"): "replace",
    ("create", "delete"): "replace",
}
_MOST_LINES = 200


@dataclass(frozen=True)
class Change:
    """One resource that the plan would change.

    Attributes:
        verb: create, change, replace or destroy.
        costs: whether the bill changes with it.
        attributes: the changing attributes that affect cost, with old and new values as far as they are known.
        kind: its type.
        name: its name in AWS before the apply; None if it has none, or is new.
        url: the URL of a queue before the apply.
        lost_indexes: names of a table's indexes that the apply removes, or makes again.
    """

    verb: str
    address: str
    costs: bool
    destroys_data: bool
    attributes: tuple[str, ...]
    kind: str
    name: str | None
    url: str | None = None
    lost_indexes: tuple[str, ...] = ()

    @property
    def is_lost(self) -> bool:
        """True if the apply destroys it, for good or to make another one."""
        return self.verb in {"destroy", "replace"}

    @property
    def line(self) -> str:
        """The change on one line of Markdown."""
        notes = list(self.attributes)
        if self.destroys_data:
            notes.insert(0, "**what it holds is lost**")
        return f"- {self.verb} `{self.address}`{': ' if notes else ''}{'; '.join(notes)}"


@dataclass(frozen=True)
class PlanSummary:
    """The changes of a plan."""

    changes: tuple[Change, ...]

    @classmethod
    def of(cls, plan: Mapping[str, Any]) -> "PlanSummary":
        """Return the summary of the output of `terraform show -json`.

        https://developer.hashicorp.com/terraform/internals/json-format#plan-representation
        """
        changes = (
            _change(resource, verb)
            for resource in plan.get("resource_changes", [])
            if (verb := _VERBS.get(tuple(resource["change"]["actions"]))) is not None
        )
        return cls(tuple(sorted(changes, key=lambda change: (not change.destroys_data, not change.costs, change.verb))))

    @property
    def lost(self) -> dict[str, str]:
        """Addresses of the tables and queues that would be destroyed, by their names in AWS."""
        lost = (change for change in self.changes if change.is_lost and change.kind in _WORKED_WITH)
        return {change.name or change.address: change.address for change in lost}

    @property
    def lost_queues(self) -> dict[str, str]:
        """Names of the queues that would be destroyed, by their URLs."""
        lost = (change for change in self.changes if change.is_lost and change.kind == _QUEUE)
        return {change.url: change.name or change.address for change in lost if change.url}

    @property
    def missed(self) -> list[str]:
        """Addresses of the tables, indexes, queues and APIs that would go: clients or functions would miss them."""
        return [
            *self.lost.values(),
            *(change.address for change in self.changes if change.is_lost and change.kind == _API),
            *(f"{change.address} (index {name})" for change in self.changes for name in change.lost_indexes),
        ]

    @property
    def lost_functions(self) -> set[str]:
        """Names of the functions that would be destroyed."""
        return {change.name for change in self.changes if change.is_lost and change.kind == _FUNCTION and change.name}

    @property
    def counts(self) -> str:
        """Numbers of each kind, in words."""
        counts = Counter(change.verb for change in self.changes)
        return ", ".join(f"{counts[verb]} to {verb}" for verb in ("create", "change", "replace", "destroy"))

    def markdown(self, title: str) -> str:
        """The summary as a comment, or as the summary of a job."""
        costly = [change.line for change in self.changes if change.costs or change.destroys_data]
        others = [change.line for change in self.changes if not (change.costs or change.destroys_data)]
        parts = [f"### {title}", f"{self.counts}." if self.changes else "No changes."]
        if costly:
            parts += ["**What changes the bill, or destroys data**", _listed(costly)]
        if others:
            parts += ["<details><summary>Everything else</summary>", _listed(others), "</details>"]
        return "\n\n".join(parts) + "\n"


def _change(resource: Mapping[str, Any], verb: str) -> Change:
    kind, change = resource["type"], resource["change"]
    billed = _COSTS.get(kind)
    attributes: tuple[str, ...] = ()
    if billed is not None and verb != "destroy":
        attributes = tuple(_differences(change, billed))
    before = change.get("before") or {}
    return Change(
        verb=verb,
        address=resource["address"],
        costs=billed is not None and (verb != "change" or bool(attributes)),
        destroys_data=kind in _DATA and verb in {"destroy", "replace"},
        attributes=attributes,
        kind=kind,
        name=before.get("function_name" if kind == _FUNCTION else "name"),
        url=before.get("url"),
        lost_indexes=_lost_indexes(change) if kind == _TABLE and verb == "change" else (),
    )


def _lost_indexes(change: Mapping[str, Any]) -> tuple[str, ...]:
    """Names of the indexes that are gone for a while at least.

    The provider deletes and creates an index whose keys or projection change. The table is kept, but nobody can read
    the index until it is filled. https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/GSI.OnlineOps.html
    """
    before, after = _indexes(change.get("before")), _indexes(change.get("after"))
    return tuple(sorted(name for name, definition in before.items() if after.get(name) != definition))


def _indexes(table: Mapping[str, Any] | None) -> dict[str, list[Any]]:
    """The keys and the projection of each index, by its name. An attribute that is not set may be empty or missing."""
    return {
        index["name"]: [
            *(index.get(attribute) or None for attribute in _INDEX_DEFINITION),
            sorted(index.get("non_key_attributes") or ()),
        ]
        for index in (table or {}).get("global_secondary_index") or ()
    }


def _differences(change: Mapping[str, Any], names: Iterable[str]) -> Iterable[str]:
    before, after = change.get("before") or {}, change.get("after") or {}
    unknown, sensitive = change.get("after_unknown") or {}, change.get("after_sensitive") or {}
    for name in sorted(names):
        if unknown.get(name) is True:
            yield f"{name} known after the apply"
        elif before.get(name) != after.get(name):
            hidden = isinstance(sensitive, Mapping) and sensitive.get(name)
            yield f"{name} (sensitive)" if hidden else f"{name} {_plain(before.get(name))} → {_plain(after.get(name))}"


def _plain(value: Any) -> str:
    return "none" if value in (None, [], {}) else str(value)


def _listed(lines: list[str]) -> str:
    more = len(lines) - _MOST_LINES
    return "\n".join([*lines[:_MOST_LINES], *([f"- and {more} more"] if more > 0 else [])])
