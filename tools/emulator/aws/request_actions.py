"""Actions of IAM that a request is, where that cannot be seen from its name.

A batch of messages is what it is made of, and so is a PartiQL statement, by its first word:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
Lambda's requests have no names: method and path say which operation of its API they are, as the SDK's model has it.
"""

import re
from collections.abc import Iterator, Mapping
from functools import cache, lru_cache
from typing import Any

from botocore.loaders import Loader
from botocore.model import ServiceModel

_OF_BATCH = {
    "sns:PublishBatch": "sns:Publish",
    "sqs:ChangeMessageVisibilityBatch": "sqs:ChangeMessageVisibility",
    "sqs:DeleteMessageBatch": "sqs:DeleteMessage",
    "sqs:SendMessageBatch": "sqs:SendMessage",
}
_STATEMENT = re.compile(
    r"""\s*(?:(?P<Select>SELECT)\b.*?\bFROM|(?P<Insert>INSERT)\s+INTO|(?P<Update>UPDATE)|(?P<Delete>DELETE)\s+FROM)
        \s+"?(?P<table>[\w.-]+)"?(?:\."?(?P<index>[\w.-]+)"?)?""",
    re.IGNORECASE | re.DOTALL | re.VERBOSE,
)
_STATEMENTS = 1_024


def action_of_batch(action: str) -> str:
    """The action that allows the batch; any other action is itself."""
    return _OF_BATCH.get(action, action)


def each_statement(request: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The PartiQL statements of a request, with their parameters; none of any other request."""
    alone = [request] if "Statement" in request else []
    yield from request.get("Statements") or request.get("TransactStatements") or alone


@lru_cache(_STATEMENTS)
def statement_action(statement: str) -> tuple[str, str, str | None]:
    """The action of a PartiQL statement, its table, and its index if it names one.

    Raises:
        ValueError: the statement is none that this can read.
    """
    found = _STATEMENT.match(statement)
    if found is None:
        raise ValueError("the statement is not read here")
    (kind,) = (name for name in ("Select", "Insert", "Update", "Delete") if found[name])
    return f"dynamodb:PartiQL{kind}", found["table"], found["index"]


def lambda_action(method: str, path: str) -> str | None:
    """The action of a request to Lambda; None if it is none of its API's, or an invocation."""
    found = [name for verb, pattern, name in _lambda_operations() if verb == method and pattern.fullmatch(path)]
    return f"lambda:{found[0]}" if found and not found[0].startswith("Invoke") else None


@cache
def _lambda_operations() -> list[tuple[str, re.Pattern[str], str]]:
    """Method, path and name of each operation; those with fewer variables in the path first."""
    model = ServiceModel(Loader().load_service_model("lambda", "service-2"))
    http = {name: model.operation_model(name).http for name in model.operation_names}
    order = sorted(http, key=lambda name: http[name]["requestUri"].count("{"))
    return [(http[name]["method"], _pattern(http[name]["requestUri"]), name) for name in order]


def _pattern(uri: str) -> re.Pattern[str]:
    path = uri.partition("?")[0].rstrip("/")
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(path)) + "/?")
