"""Refusals of DynamoDB for a request, or a part of one, that it does not carry out now.

A request that names one item fails with an error, and a transaction is cancelled with a reason for each item:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_ThrottlingException.html
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_CancellationReason.html
A batch is carried out as far as possible. The rest is returned as unprocessed, and a statement with an error of its
own; a batch of which nothing was carried out fails with an error:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Programming.Errors.html#Programming.Errors.BatchOperations
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_BatchStatementError.html
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

type JsonDocument = dict[str, Any]
type Refusals = Sequence["RequestRefusal | None"]
"""One for each part of a request, in its order; None for a part that can be carried out."""


class RequestRefusal(NamedTuple):
    """Why an item is not touched now.

    Attributes:
        code: as statements and transactions have it.
        error: the name of the exception.
        text: the message.
        reasons: why it is throttled.
    """

    code: str
    error: str
    text: str
    reasons: tuple[Mapping[str, str], ...] = ()


CONFLICT = RequestRefusal("TransactionConflict", "TransactionConflictException", "Transaction is ongoing for the item")


def throttled(reason: Mapping[str, str]) -> RequestRefusal:
    """The refusal of a table that is on demand."""
    text = (
        "Throughput exceeds the current capacity of your table or index. DynamoDB is automatically scaling your table "
        "or index so please try again shortly. If exceptions persist, check if you have a hot key: "
        "https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/bp-partition-key-design.html"
    )
    return RequestRefusal("ThrottlingError", "ThrottlingException", text, (reason,))


def refused(action: str, refusals: Refusals) -> JsonDocument:
    """The error of a request that is refused as a whole."""
    first = next(each for each in refusals if each)
    if "Transact" not in action:
        reasons = {"throttlingReasons": list(first.reasons)} if first.reasons else {}
        return {"__type": first.error, "message": first.text, **reasons}
    cancelled = [{"Code": each.code, "Message": each.text} if each else {"Code": "None"} for each in refusals]
    codes = ", ".join(reason["Code"] for reason in cancelled)
    return {
        "__type": "TransactionCanceledException",
        "message": f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]",
        "CancellationReasons": cancelled,
    }


class Divided(NamedTuple):
    """A batch of which some parts are refused.

    Attributes:
        rest: the request without them; None if nothing is left that could be carried out.
        complete: makes the answer to the rest the answer to the whole batch.
    """

    rest: JsonDocument | None
    complete: Callable[[JsonDocument], JsonDocument]


def divided(action: str, request: JsonDocument, refusals: Refusals) -> Divided | None:
    """The batch, divided; None if the request is no batch, or none that could be carried out in part."""
    if action == "BatchExecuteStatement":
        return _divided_statements(request, refusals)
    if action not in {"BatchGetItem", "BatchWriteItem"} or all(refusals):
        return None
    is_read = action == "BatchGetItem"
    unprocessed_field = "UnprocessedKeys" if is_read else "UnprocessedItems"
    unprocessed: JsonDocument = {}
    rest: JsonDocument = {}
    verdicts = iter(refusals)
    for table, part in request["RequestItems"].items():
        for each in part["Keys"] if is_read else part:
            place = unprocessed if next(verdicts) else rest
            if is_read:
                place.setdefault(table, {**part, "Keys": []})["Keys"].append(each)
            else:
                place.setdefault(table, []).append(each)
    return Divided({**request, "RequestItems": rest}, lambda answer: {**answer, unprocessed_field: unprocessed})


def _divided_statements(request: JsonDocument, refusals: Refusals) -> Divided:
    rest = [statement for statement, refusal in zip(request["Statements"], refusals, strict=True) if not refusal]

    def complete(answer: JsonDocument) -> JsonDocument:
        responses = iter(answer["Responses"])
        every = [
            {"Error": {"Code": refusal.code, "Message": refusal.text}} if refusal else next(responses)
            for refusal in refusals
        ]
        return {**answer, "Responses": every}

    return Divided({**request, "Statements": rest} if rest else None, complete)
