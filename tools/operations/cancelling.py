"""Ending a broadcast before everyone was sent it.

The mark on its summary stops `swarm` and `query`. The chunks that wait for a lane are replaced by cancelled ones,
which `post_message` settles as failed without posting; a chunk that a worker has at the moment is posted to its end.

All of it is done on the hub's cell, and on each further cell that the broadcast is for: all are marked first, then the
chunks are replaced on all of them side by side. A further cell that has not heard of the broadcast yet gets its summary
with the mark.
"""

import time
from collections.abc import Callable, Collection, Mapping
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import replace

from botocore.exceptions import BotoCoreError, ClientError

from loudhailer.broadcast.combined import report_over_cells
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.model import Summary
from loudhailer.broadcast.report import Report
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import HUB, BroadcastId, CellName
from tools.errors import OperatorError
from tools.operations.broadcasts import no_such_broadcast
from tools.operations.cells import dead_cells
from tools.operations.received import Received, received
from tools.stack.deployment import EXPRESS_QUEUE, Deployment

_BOUND_SECONDS = 120.0
_ANSWER_SECONDS = 3.0
"""Time that a further cell has for an answer: one that hangs holds up the others for a few times that."""

_SILENCE_SECONDS = 10.0
"""Time after which a further cell that answers nothing is given up."""

_LOOKS = 2
"""Receipts that a message may have had: a queue gives up what was received five times."""


def cancel(deployment: Deployment, broadcast_id: BroadcastId, progress: Callable[[Report], None]) -> Report:
    """Cancel the broadcast on all cells and see it to its end.

    Raises:
        OperatorError: there is no such broadcast; or it does not end; or a cell does not answer, and all others ended.
    """
    summary = deployment.broadcasts.summary(broadcast_id)
    if summary is None or not deployment.broadcasts.cancel(broadcast_id):
        raise no_such_broadcast(broadcast_id)
    others = {name: deployment.cells[name].answering_within(_ANSWER_SECONDS) for name in _declared(deployment, summary)}
    with ThreadPoolExecutor(len(others) + 1) as pool:
        return _see_to_its_end(deployment, others, summary, pool, progress)


def report_of(deployment: Deployment, broadcast_id: BroadcastId) -> Report | None:
    """Return the report over all cells; None if there is no such broadcast."""
    return report_over_cells(
        deployment.broadcasts,
        deployment.snapshots,
        broadcast_id,
        now=time.time(),
        grace=deployment.report_grace_seconds,
    )


def _see_to_its_end(
    deployment: Deployment,
    others: Mapping[CellName, Deployment],
    summary: Summary,
    pool: Executor,
    progress: Callable[[Report], None],
) -> Report:
    """Stop the broadcast on all cells side by side, until each has ended it.

    All cells are marked before the first chunk is replaced: a cell finds recipients and posts until it is marked.
    """
    cells: dict[CellName, Deployment] = {HUB: deployment, **others}
    unfinished, unmarked = set(cells), set(others)
    silent: dict[CellName, float] = {}
    ends = time.monotonic() + _BOUND_SECONDS
    while time.monotonic() < ends:
        unmarked = _on_each(pool, unmarked, lambda name: mark(cells[name], summary))
        unheard = unmarked | _on_each(pool, unfinished - unmarked, lambda name: _replace_waiting(cells[name], summary))
        silent = {name: silent.get(name, time.monotonic()) for name in unheard}
        report = report_of(deployment, summary.broadcast_id)
        if report is not None:
            progress(report)
            unfinished = _unfinished(report) & cells.keys() | unheard
            if not unfinished:
                return report
            given_up = {name for name, since in silent.items() if time.monotonic() - since >= _SILENCE_SECONDS}
            if unfinished <= given_up | dead_cells(deployment, time.time()):
                verb = "does" if len(unfinished) == 1 else "do"
                raise OperatorError(
                    f"The broadcast is cancelled, but {_named(unfinished)} {verb} not answer.",
                    "Cancel it again once all cells answer."
                    " The report counts what is left there as failed when the broadcast's lifetime is over.",
                )
        time.sleep(0.2)
    raise OperatorError(
        f"Some of the broadcast was still in flight after {_BOUND_SECONDS:.0f} s on {_named(unfinished)}.",
        "It is cancelled nevertheless; look at `loudhailer status` and `logs`, and cancel it again.",
    )


def _declared(deployment: Deployment, summary: Summary) -> list[CellName]:
    """The further cells of a broadcast that are still in the deployment."""
    return [name for name in summary.cells or () if name in deployment.cells]


def _unfinished(report: Report) -> set[CellName]:
    parts: Mapping[CellName, Report] = report.by_cell or {HUB: report}
    return {name for name, part in parts.items() if part.status != "finished"}


def _named(cells: set[CellName]) -> str:
    return " and ".join(sorted(cells))


def _on_each(pool: Executor, names: Collection[CellName], act: Callable[[CellName], None]) -> set[CellName]:
    """Act on cells side by side; return the further cells that did not answer. An error of the hub's is raised."""
    acting = {name: pool.submit(act, name) for name in names}
    errors = {name: each.exception() for name, each in acting.items()}
    for name, error in errors.items():
        if error is not None and (name == HUB or not isinstance(error, (TransientError, ClientError, BotoCoreError))):
            raise error
    return {name for name, error in errors.items() if error is not None}


def mark(cell: Deployment, summary: Summary) -> None:
    """Mark the summary in a further cell as cancelled; `swarm` would record the same one, and finds it marked."""
    known = cell.broadcasts.summary(summary.broadcast_id) or cell.broadcasts.record(
        Summary(
            broadcast_id=summary.broadcast_id,
            audience=summary.audience,
            content_hash=summary.content_hash,
            published_at=summary.published_at,
            announced=True,
            ends_at=summary.ends_at,
        )
    )
    if not known.cancelled:
        cell.broadcasts.cancel(summary.broadcast_id)


def _replace_waiting(deployment: Deployment, summary: Summary) -> None:
    client = deployment.client("sqs")
    for name in deployment.chunk_queue_names:
        if name == EXPRESS_QUEUE and not summary.express:
            continue  # others' small broadcasts would wait for a look at a queue that never has a chunk of a large one
        others = dict[str, Received]()
        for message in received(client, deployment.queue_urls[name]):
            chunk = _chunk(message.body)
            if chunk is None or chunk.broadcast_id != summary.broadcast_id or chunk.cancelled:
                others[message.message_id] = message
                continue
            deployment.queue(name).send_all([replace(chunk, cancelled=True).to_wire()], group=chunk.group)
            message.delete()
        for message in others.values():
            _put_back(deployment, name, message)


def _put_back(deployment: Deployment, shard: str, message: Received) -> None:
    """Let the workers have it: as a new message if need be, or SQS would give it up for having been looked at here.

    After the time for which it was held, a worker may have it already: a copy would be posted beside it.
    """
    if message.times < _LOOKS or not message.is_held:
        message.put_back()
    else:
        deployment.queue(shard).send_all([message.body], group=message.system.get("MessageGroupId"))
        message.delete()


def _chunk(body: str) -> ChunkMessage | None:
    try:
        return ChunkMessage.from_wire(body)
    except MalformedMessageError:
        return None
