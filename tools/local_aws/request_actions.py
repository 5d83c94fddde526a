"""Which of IAM's actions a request is, where they have another name than the request.

A batch of messages is what it is made of, and so is a PartiQL statement, by its first word:
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-api-permissions-reference.html
https://docs.aws.amazon.com/sns/latest/dg/sns-access-policy-language-api-permissions-reference.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ql-iam.html
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

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


def action_of_batch(action: str) -> str:
    """The action that allows the batch; any other action is itself."""
    return _OF_BATCH.get(action, action)


def statements(request: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """The action of each PartiQL statement of a request, and its table or `table/index/name`.

    Raises:
        ValueError: a statement is none that this can read.
    """
    for statement in request.get("Statements") or request.get("TransactStatements") or [request]:
        found = _STATEMENT.match(statement.get("Statement", ""))
        if found is None:
            raise ValueError("the statement is not read here")
        (kind,) = (name for name in ("Select", "Insert", "Update", "Delete") if found[name])
        index = f"/index/{found['index']}" if found["index"] else ""
        yield f"dynamodb:PartiQL{kind}", found["table"] + index
