"""Ending a broadcast before everyone was sent it.

The mark on its summary stops `swarm` and `query`. The chunks that wait for a lane are replaced by cancelled ones,
which `post_message` settles as failed without posting; a chunk that a worker has at the moment is posted to its end.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.broadcast.report import Report, report_of
from loudhailer.errors import MalformedMessageError
from loudhailer.ids import BroadcastId
from tools.errors import OperatorError
from tools.operations.received import Received, received
from tools.stack.deployment import EXPRESS_QUEUE, Deployment

_BOUND_SECONDS = 120.0
_LOOKS = 2
"""Receipts that a message may have had: a queue gives up what was received five times."""


def cancel(deployment: Deployment, broadcast_id: BroadcastId, progress: Callable[[Report], None]) -> Report:
    """Cancel the broadcast and see it to its end; OperatorError if there is none, or if it does not end."""
    recorded = deployment.broadcasts.summary(broadcast_id)
    if recorded is not None and recorded.cells:
        raise OperatorError(
            f"The broadcast is for {', '.join(sorted(recorded.cells))} too, and cannot be cancelled there yet.",
            "It ends with its lifetime.",
        )
    if not deployment.broadcasts.cancel(broadcast_id):
        raise OperatorError("There is no such broadcast.", "Its id is what `loudhailer broadcast` printed.")
    summary = deployment.broadcasts.summary(broadcast_id)
    # Others' small broadcasts would wait for a look at a queue that never has a chunk of a large one.
    names = [name for name in deployment.chunk_queue_names if name != EXPRESS_QUEUE or (summary and summary.express)]
    ends = time.monotonic() + _BOUND_SECONDS
    while time.monotonic() < ends:
        report = report_of(deployment.broadcasts, broadcast_id)
        if report is not None:
            progress(report)
            if report.finished_at is not None:
                return report
        _replace_waiting(deployment, broadcast_id, names)
        time.sleep(0.2)
    raise OperatorError(
        f"Some of the broadcast was still in flight after {_BOUND_SECONDS:.0f} s.",
        "It is cancelled all the same; look at `loudhailer status` and `logs`, and cancel it again.",
    )


def _replace_waiting(deployment: Deployment, broadcast_id: BroadcastId, names: Sequence[str]) -> None:
    client = deployment.client("sqs")
    for name in names:
        others: list[Received] = []
        for message in received(client, deployment.queue_urls[name]):
            chunk = _chunk(message.body)
            if chunk is None or chunk.broadcast_id != broadcast_id or chunk.cancelled:
                others.append(message)
                continue
            deployment.queue(name).send_all([replace(chunk, cancelled=True).to_wire()], group=chunk.group)
            message.delete()
        for message in others:
            _put_back(deployment, name, message)


def _put_back(deployment: Deployment, shard: str, message: Received) -> None:
    """Let the workers have it: as a new message if need be, or SQS would give it up for having been looked at here."""
    if message.times < _LOOKS:
        message.put_back()
    else:
        deployment.queue(shard).send_all([message.body], group=message.system.get("MessageGroupId"))
        message.delete()


def _chunk(body: str) -> ChunkMessage | None:
    try:
        return ChunkMessage.from_wire(body)
    except MalformedMessageError:
        return None
