"""Records of a DynamoDB stream, and the partial answer to a batch of them.

Lambda delivers the records of one shard in order, and delivers a batch again from the first record that the answer
names: https://docs.aws.amazon.com/lambda/latest/dg/services-ddb-batchfailurereporting.html
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Self

from loudhailer.errors import InvalidFieldError
from loudhailer.observability import count, logger

type StreamEvent = Mapping[str, Any]
"""A record as Lambda delivers it: https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html"""

type RowImage = Mapping[str, Any]
"""Attributes of a row, in DynamoDB's JSON: `{"tenantId": {"S": "acme"}}`."""

_DIGITS = 40
"""Sequence numbers have up to 40 digits: padded, they compare as strings.
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html"""

_MALFORMED = (KeyError, TypeError, ValueError, AttributeError, InvalidFieldError)


@dataclass(frozen=True, slots=True)
class StreamRecord:
    """One change of a row.

    Attributes:
        event_id: id of the change, the same in every batch.
        event: INSERT, MODIFY or REMOVE.
        sequence_number: the record's position in its shard, as partial batch responses use it.
        created_at: time of the change, in epoch seconds, to the second; 0 if the record lacks it.
        keys: the row's key.
        old: the row before; empty for an INSERT, or if the stream has no old images.
        new: the row after; empty for a REMOVE.
    """

    event_id: str
    event: str
    sequence_number: str
    created_at: float
    keys: RowImage
    old: RowImage
    new: RowImage

    @classmethod
    def of(cls, record: StreamEvent) -> Self:
        """Read a record; KeyError, TypeError or AttributeError if it is not of this shape."""
        change = record["dynamodb"]
        return cls(
            event_id=str(record["eventID"]),
            event=record["eventName"],
            sequence_number=str(change["SequenceNumber"]),
            created_at=change.get("ApproximateCreationDateTime", 0),
            keys=change["Keys"],
            old=change.get("OldImage", {}),
            new=change.get("NewImage", {}),
        )

    @property
    def order(self) -> str:
        """The sequence number, padded so that strings compare like numbers."""
        return self.sequence_number.zfill(_DIGITS)


def parsed[T](
    records: Iterable[StreamEvent], read: Callable[[StreamRecord], T | None], *, is_counted: bool = True
) -> Iterator[T]:
    """Yield the result of `read` for each record, in order, without the results that are None.

    A malformed record is skipped: a row that was edited by hand must not stop the stream. One reader of each stream
    counts and logs it; the others pass `is_counted=False`.
    """
    for record in records:
        try:
            result = read(StreamRecord.of(record))
        except _MALFORMED as error:
            if is_counted:
                count("RecordSkipped")
                # The error's text may have the id of a session.
                logger.error("record skipped", event_id=record.get("eventID"), reason=type(error).__name__)
        else:
            if result is not None:
                yield result


def batch_response(first_failed: str | None) -> dict[str, Any]:
    """Answer a batch: `sequence_number` is the first record to deliver again, None if there is none."""
    return {"batchItemFailures": [] if first_failed is None else [{"itemIdentifier": first_failed}]}
