"""The messages that clients may send again, in the table of limits.

limits: PK `key` = `{tenantId}:sent:{hash}` of a message with a client's id; `contentHash`, `requestId` and `receivedAt`
of its first attempt, `takenUntil` (epoch seconds) until it is accepted, `takenBy` with the id of the request that took
it over, `itemTTL`.
"""

from typing import override

from botocore.exceptions import ClientError

from loudhailer.aws.errors import calling
from loudhailer.aws.rows import Item
from loudhailer.aws.tables import DynamoTable
from loudhailer.websocket.sent.model import ATTEMPT_SECONDS, REMEMBERED_SECONDS, Attempt, Progress, Sent
from loudhailer.websocket.sent.port import SentStore

_NOT_ACCEPTED = "attribute_exists(takenUntil)"
_NOT_KNOWN = "attribute_not_exists(contentHash) OR itemTTL <= :now"
_FIRST = "SET contentHash = :hash, requestId = :request, receivedAt = :received, takenUntil = :until, itemTTL = :ttl"


class DynamoSentStore(DynamoTable, SentStore):
    """Keeps the messages in the table of limits, whose rows expire."""

    @override
    def begin(self, attempt: Attempt, *, now: int) -> Sent:
        until = {"N": str(now + ATTEMPT_SECONDS)}
        first: Item = {
            "contentHash": {"S": attempt.content_hash},
            "requestId": {"S": attempt.request_id},
            "receivedAt": {"N": str(attempt.received_at)},
        }
        try:
            with calling("UpdateItem"):
                self._client.update_item(
                    TableName=self._table,
                    Key=_sent_key(attempt),
                    UpdateExpression=_FIRST,
                    ConditionExpression=_NOT_KNOWN,
                    ExpressionAttributeValues={
                        ":hash": first["contentHash"],
                        ":request": first["requestId"],
                        ":received": first["receivedAt"],
                        ":until": until,
                        ":ttl": {"N": str(now + REMEMBERED_SECONDS)},
                        ":now": {"N": str(now)},
                    },
                    ReturnValuesOnConditionCheckFailure="ALL_OLD",
                )
        except ClientError as error:
            # `calling` lets only the error of a failed condition pass.
            known: Item = error.response["Item"]  # type: ignore[typeddict-item]  # the stubs do not know it
            return _sent_of(known, self._progress(attempt, known, until, now))
        return _sent_of(first, Progress.OPEN)

    def _progress(self, attempt: Attempt, known: Item, until: Item, now: int) -> Progress:
        if "takenUntil" not in known:
            return Progress.ACCEPTED
        if known["requestId"]["S"] == attempt.request_id:
            # The SDK has repeated a write whose answer was lost.
            return Progress.OPEN
        if known["contentHash"]["S"] != attempt.content_hash or int(known["takenUntil"]["N"]) > now:
            return Progress.IN_PROGRESS
        mine = {"S": attempt.request_id}
        taken = self._update_row_if(
            _sent_key(attempt),
            "SET takenUntil = :until, takenBy = :mine",
            "takenUntil = :seen",
            {":seen": known["takenUntil"], ":until": until, ":mine": mine},
            has_made=lambda row: "takenUntil" in row and row.get("takenBy") == mine,
        )
        return Progress.OPEN if taken else Progress.IN_PROGRESS

    @override
    def release(self, attempt: Attempt) -> None:
        self._update_row_if(_sent_key(attempt), "SET takenUntil = :now", _NOT_ACCEPTED, {":now": {"N": "0"}})

    @override
    def finish(self, attempt: Attempt) -> None:
        self._update_row_if(_sent_key(attempt), "REMOVE takenUntil", _NOT_ACCEPTED)


def _sent_key(attempt: Attempt) -> Item:
    return {"key": {"S": attempt.key}}


def _sent_of(item: Item, progress: Progress) -> Sent:
    return Sent(progress, item["contentHash"]["S"], item["requestId"]["S"], int(item["receivedAt"]["N"]))
