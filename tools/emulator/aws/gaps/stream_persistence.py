"""A stream's records outlive a restart of the local AWS.

AWS keeps the records of a stream for 24 hours, and a mapping its place in it:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html

MiniStack saves the places but not the records. After a restart the streams are empty and the mappings wait for records
further on than any there are: what was not delivered is lost, and so is as much again.

Patched: what DynamoDB saves and restores (`get_state`, `load_persisted_state`), which gets the streams too.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_STATE = dynamodb.get_state
_STOCK_RESTORE = dynamodb.load_persisted_state


def gap(_options: Options) -> Gap:
    """Save and restore the streams with the tables."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:get_state",
                "ce90690a6033950f9aaac39a8225ef7ce8e55fe1c3abc80e2df51e1098e7f9f3",
                _get_state,
            ),
            Patch(
                "ministack.services.dynamodb:load_persisted_state",
                "6f58d9dc1e6e4edf4200deb80c8883d56a99697ac2c412007742e9b4c895bf6d",
                _load_persisted_state,
            ),
        ),
    )


def _get_state() -> dict[str, Any]:
    streams = {"stream_records": dynamodb._stream_records, "stream_trimmed": dynamodb._stream_trimmed}
    return {**_STOCK_STATE(), **streams}


def _load_persisted_state(data: dict[str, Any]) -> None:
    _STOCK_RESTORE(data)
    dynamodb._stream_records.update(data.get("stream_records", {}))
    dynamodb._stream_trimmed.update(data.get("stream_trimmed", {}))
