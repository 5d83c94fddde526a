"""Deletions by TTL reach the stream.

AWS deletes an expired item with a REMOVE record that says who did it: `"userIdentity": {"type": "Service",
"principalId": "dynamodb.amazonaws.com"}`. The attribute must be a number of epoch seconds; items that expired over
five years ago stay.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/time-to-live-ttl-streams.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/TTL.html

MiniStack looks once a minute, from another thread than the one that serves requests, and writes no record.

Patched: its reaper's thread is never started (`tools.emulator.aws.server` sees to that); a sweep on the server's own
event loop takes its place, every few seconds, while AWS takes up to days.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import asyncio
import time
from typing import Any

from ministack.core.responses import request_scope
from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_TOO_OLD_SECONDS = 5 * 365 * 86400


def gap(options: Options) -> Gap:
    """Sweep expired items away every `ttl_interval` seconds."""

    async def sweeps() -> None:
        while True:
            await asyncio.sleep(options.ttl_interval)
            _sweep(time.time())

    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:_ttl_reaper",
                "66841bfd60279dd7a992068c2507c2fce8791c33c4a28d754b2e66a819cf0933",
            ),
            Patch(
                "ministack.services.dynamodb:_emit_stream_event",
                "8568d0446f26eaba3f9c3b344c3451cf0684981c8207d7df50da03164495b21b",
            ),
        ),
        background=(sweeps,),
    )


def _sweep(now: float) -> None:
    for (account, region, table_name), setting in dynamodb._ttl_settings.all_items():
        table = dynamodb._tables.get_scoped(account, region, table_name)
        if table is None or setting.get("TimeToLiveStatus") != "ENABLED":
            continue
        attribute = setting["AttributeName"]
        expired = [
            (partition_key, sort_key)
            for partition_key, items in table["items"].items()
            for sort_key, item in items.items()
            if _is_expired(item.get(attribute), now)
        ]
        with request_scope(account, region):
            for partition_key, sort_key in expired:
                _delete(table_name, table, partition_key, sort_key)


def _is_expired(attribute: dict[str, Any] | None, now: float) -> bool:
    if attribute is None or "N" not in attribute:
        return False
    return now - _TOO_OLD_SECONDS < float(attribute["N"]) <= now


def _delete(table_name: str, table: dict[str, Any], partition_key: Any, sort_key: Any) -> None:
    item = dynamodb._remove_item(table, partition_key, sort_key)
    dynamodb._emit_stream_event(table_name, "REMOVE", item, None)
    if (table.get("StreamSpecification") or {}).get("StreamEnabled"):
        record = dynamodb._stream_records[table_name][-1]
        record["userIdentity"] = {"type": "Service", "principalId": "dynamodb.amazonaws.com"}
