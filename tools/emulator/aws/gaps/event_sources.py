"""Event source mappings are polled independently of each other, on the thread that serves requests.

AWS polls every mapping by itself: a slow or failing function holds up its own source only.
https://docs.aws.amazon.com/lambda/latest/dg/invocation-eventsourcemapping.html

MiniStack polls all mappings in one thread, where stream functions also run, one at a time. That thread changes the
queues' lists of messages while the server's thread appends to them: a message sent at the wrong moment is lost.

Patched: `_ensure_poller`, so that MiniStack's thread never starts. One task on the server's event loop looks at all
mappings when something was written, and every 50 ms; what has work starts tasks of its own, and only the functions
run in other threads. Mappings of DynamoDB streams and SQS queues are served; others are accepted and never polled.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import asyncio
import logging
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol

from ministack.core import concurrency
from ministack.core.responses import request_scope
from ministack.services import lambda_svc

from tools.emulator.aws.deliveries import Deliveries
from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.gaps.queue_mappings import QueueMapping
from tools.emulator.aws.gaps.stream_mappings import StreamMapping
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch
from tools.emulator.aws.poller_scaling import PollerScaling

_TICK_SECONDS = 0.05  # delays and visibility timeouts end without a write
_logger = logging.getLogger(__name__)


def gap(options: Options) -> Gap:
    """Poll every mapping by itself."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.lambda_svc:_ensure_poller",
                "a21371869881be447e10118dc54b4aac8bef2366fce65c3a6c766630f43bb263",
                _ensure_poller,
            ),
            Patch(
                "ministack.services.lambda_svc:_iter_all_esms",
                "7db06c0627a59696f16e20a197656df6556dc1096ef490720049c2abdeeeec21",
            ),
        ),
        background=(lambda: _poll(throttling=options.throttling),),
    )


def _ensure_poller() -> None:
    """The poller runs from the start."""


class _Mapping(Protocol):
    def start_ready(self) -> None:
        """Start a task for every batch that can be delivered now."""


async def _poll(*, throttling: bool) -> None:
    written = asyncio.Event()
    # Every writer to a source sets this event of MiniStack's; most are on this thread, some are not.
    concurrency.esm_wake.set = _from_any_thread(written.set)
    mappings: dict[str, _Mapping | None] = {}
    deliveries = Deliveries(written.set)
    try:
        while True:
            written.clear()
            present = list(lambda_svc._iter_all_esms())
            for account, region, esm in present:
                with request_scope(account, region):
                    _start_ready(mappings, esm, deliveries, throttling=throttling)
            for gone in mappings.keys() - {esm["UUID"] for _, _, esm in present}:
                del mappings[gone]
            with suppress(TimeoutError):
                await asyncio.wait_for(written.wait(), _TICK_SECONDS)
    finally:
        deliveries.cancel()


def _start_ready(
    mappings: dict[str, _Mapping | None], esm: dict[str, Any], deliveries: Deliveries, *, throttling: bool
) -> None:
    identifier = esm["UUID"]
    try:
        if identifier not in mappings:
            mappings[identifier] = _mapping(esm, deliveries, throttling=throttling)
        mapping = mappings[identifier]
        if mapping is not None and esm.get("Enabled", True):
            mapping.start_ready()
    except Exception:
        _logger.exception("polling the event source mapping %s failed", identifier)


def _mapping(esm: dict[str, Any], deliveries: Deliveries, *, throttling: bool) -> _Mapping | None:
    service = esm["EventSourceArn"].split(":")[2]
    if service == "sqs":
        return QueueMapping(esm, deliveries, PollerScaling() if throttling else None)
    if service == "dynamodb":
        return StreamMapping(esm, deliveries)
    return None


def _from_any_thread(action: Callable[[], None]) -> Callable[[], None]:
    loop = asyncio.get_running_loop()
    loop_thread = threading.get_ident()

    def act() -> None:
        if threading.get_ident() == loop_thread:
            action()
        else:
            with suppress(RuntimeError):  # the server is stopping
                loop.call_soon_threadsafe(action)

    return act
