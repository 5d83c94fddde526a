"""Questions about SQS."""

import asyncio
import time

from tools.probe.own_queues import OwnQueues
from tools.probe.question import UNDECIDED, Answer, Need, Question
from tools.probe.site import Site

_PAUSE_SECONDS = 0.1


async def _receive_count(site: Site) -> Answer:
    """Receive a message until it is given up, and once more from the queue of what is given up."""
    return await asyncio.to_thread(_received, site.queues, site.pace.arrival_seconds)


def _received(queues: OwnQueues, seconds: float) -> Answer:
    queues.send("probe")
    until = time.monotonic() + seconds
    before: list[int] = []
    while time.monotonic() < until:
        if (count := queues.receive(queues.source)) is not None:
            before.append(count)
        elif (count := queues.receive(queues.dead_letters)) is not None:
            seen = {"countsBefore": before, "countInDeadLetters": count}
            return Answer("yes" if count > 1 else "no", seen)
        time.sleep(_PAUSE_SECONDS)
    return Answer(UNDECIDED, {"countsBefore": before})


RECEIVE_COUNT = Question(
    name="receive-count",
    asks="Does a message bring its count of receives along when SQS moves it to a dead-letter queue?",
    asked="One message is received twice from a queue that gives it up then, and once from its dead-letter queue.",
    read="The count in the dead-letter queue is higher than 1, or it is 1.",
    assumes="yes",
    stand_in="yes",
    changes={
        "yes": "Nothing.",
        "no": "The queue `undelivered` needs no higher `maxReceiveCount` than the others.",
    },
    needs=Need.QUEUES,
    seconds=5,
    messages=0,
    ask=_receive_count,
)
