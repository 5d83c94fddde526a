"""Writes of PartiQL statements are added to the table's stream.

AWS: a stream has every change of the table's items, whatever made it:
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html

MiniStack: statements change items in silence.

Patched: `_partiql_update` and `_partiql_delete`, which emit what they changed.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from collections.abc import Callable
from typing import Any

from ministack.services import dynamodb

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_UPDATE = dynamodb._partiql_update
_STOCK_DELETE = dynamodb._partiql_delete


def gap(_options: Options) -> Gap:
    """Emit stream records for the changes of statements."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.dynamodb:_partiql_update",
                "ca421900a6adad7b8cdabbe5871488bc9402bf78e352200dda6422cc41adc054",
                _partiql_update,
            ),
            Patch(
                "ministack.services.dynamodb:_partiql_delete",
                "f6995ca7e86879871ef9320932a07d864612be66ca42fcd23d86ad85ddec3333",
                _partiql_delete,
            ),
            Patch(
                "ministack.services.dynamodb:_partiql_key_target",
                "53f293ca9d0c5ebbc6740aaf1a4c4ce9a866ae6ff59906c55bc72a8ffe0bbcb7",
            ),
            Patch(
                "ministack.services.dynamodb:_emit_stream_event",
                "8568d0446f26eaba3f9c3b344c3451cf0684981c8207d7df50da03164495b21b",
            ),
        ),
    )


def _partiql_update(table: Any, parsed: Any, data: Any = None) -> Any:
    return _emitting(_STOCK_UPDATE, table, parsed, data)


def _partiql_delete(table: Any, parsed: Any, data: Any = None) -> Any:
    return _emitting(_STOCK_DELETE, table, parsed, data)


def _emitting(stock: Callable[..., Any], table: Any, parsed: Any, data: Any) -> Any:
    partition_key, sort_key, _, error = dynamodb._partiql_key_target(table, parsed)
    if error:
        return stock(table, parsed, data)

    def item() -> Any:
        return table["items"].get(partition_key, {}).get(sort_key)

    old = item()  # statements put another item in its place, and do not change it
    answer = stock(table, parsed, data)
    new = item()
    if old != new:
        dynamodb._emit_stream_event(parsed["table"], "MODIFY" if new is not None else "REMOVE", old, new)
    return answer
