"""A stream record carries what AWS's carries.

AWS: `eventID` is 32 hexadecimal digits, `SequenceNumber` 21 to 40 digits without leading zeros, `SizeBytes` the size
of the keys and images:
https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_StreamRecord.html
https://docs.aws.amazon.com/lambda/latest/dg/with-ddb.html

MiniStack: a dashed UUID, leading zeros, and always 0 bytes.

Patched: `_build_change_record`, whose record is completed.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_RECORD = dynamodb._build_change_record


def gap(_options: Options) -> Gap:
    """Complete every stream record."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:_build_change_record",
                "45f604ee477218c38962119da32482c17974d070e1a9887f64273c46570bc4a7",
                _build_change_record,
            ),
        ),
    )


def _build_change_record(*change: Any) -> dict[str, Any]:
    record: dict[str, Any] = _STOCK_RECORD(*change)
    body = record["dynamodb"]
    record["eventID"] = record["eventID"].replace("-", "")
    body["SequenceNumber"] = body["SequenceNumber"].lstrip("0")
    items = (body.get(part) for part in ("Keys", "OldImage", "NewImage"))
    body["SizeBytes"] = sum(dynamodb._item_size_bytes(item) for item in items if item)
    return record
