"""A worker with its real sender, when the cell's API does not answer as it should: no id is lost."""

import socket
import ssl
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from functions.broadcast.post_message.post_message import PostMessage
from loudhailer.broadcast.messages import ChunkMessage
from loudhailer.deadline import Deadline
from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.sigv4 import Credentials
from tests.support.broadcasts import ACCOUNT, NOW, chunk_message, connection, outcome
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.queues import MemoryQueue
from tests.support.limits import MAX_ATTEMPTS
from tests.support.management_api import free_port, running

type Endpoint = Callable[[Path], AbstractContextManager[str]]
"""An API whose posts will not succeed; the file is a certificate that nobody vouches for."""


class Worker:
    """A worker for this API, and its queues."""

    def __init__(self, endpoint: str) -> None:
        self.outcomes, self.dead_letters, self.shard = MemoryQueue(), MemoryQueue(), MemoryQueue()
        self._endpoint = endpoint
        sender = CurlSender(Lane(5_000, time.monotonic()), lambda: Credentials("AKIALOCAL", "secret", "t"), "us-east-1")
        self._post_message = PostMessage(
            sender,
            MemoryOrderedSender(),
            self.outcomes,
            self.dead_letters,
            endpoint=endpoint,
            clock=lambda: NOW,
        )

    def post(self, chunk: ChunkMessage, seconds: float) -> None:
        """Handle one chunk."""
        body = replace(chunk, endpoint=self._endpoint).to_wire()
        self._post_message(body, queues_for_rest=[self.shard], account=ACCOUNT, deadline=Deadline.after(seconds))


@contextmanager
def refusing(_: Path) -> Iterator[str]:
    """Nobody listens there."""
    yield f"http://127.0.0.1:{free_port()}/live"


@contextmanager
def unresolved(_: Path) -> Iterator[str]:
    """A name that does not exist."""
    yield "https://no-such-host.invalid/live"


@contextmanager
def hanging(_: Path) -> Iterator[str]:
    """Posts are taken and never answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/live"


@contextmanager
def distrusted(certificate: Path) -> Iterator[str]:
    """No authority has signed its certificate; a frame sent to it nevertheless would be noted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with running(tls=context) as api:
        yield api.endpoint
        assert api.requests == []


@pytest.mark.parametrize("endpoint", [refusing, unresolved, distrusted])
def test_an_unusable_api_is_given_up_with_every_id(certificate: Path, endpoint: Endpoint) -> None:
    """After the last attempt: nobody is lost, and a server that answers there gets nothing."""
    with endpoint(certificate) as url:
        worker = Worker(url)
        chunk = replace(chunk_message(3), attempt=MAX_ATTEMPTS)
        worker.post(chunk, 0.5)
        assert worker.outcomes.bodies == [outcome(3, failed=0b111).to_wire()]
        assert worker.dead_letters.bodies == [replace(chunk, endpoint=url).to_wire()]
        assert worker.shard.bodies == []


def test_an_api_that_times_out_is_retried_for_every_id(certificate: Path) -> None:
    """The worker cannot report failures; the broadcast's lifetime ends it."""
    with hanging(certificate) as url:
        worker = Worker(url)
        chunk = replace(chunk_message(3), attempt=MAX_ATTEMPTS)
        worker.post(chunk, 0.5)
        assert worker.shard.bodies == [replace(chunk, endpoint=url).to_wire()]
        assert (worker.outcomes.bodies, worker.dead_letters.bodies) == ([], [])


def test_a_chunk_with_expired_credentials_is_retried() -> None:
    """A chunk answered with 403 goes back to its shard, and succeeds when the credentials are good again."""
    with running({connection(place): [403, 403, 403, 403, 200] for place in range(3)}) as api:
        worker = Worker(api.endpoint)
        worker.post(chunk_message(3), 10)
        (again,) = worker.shard.bodies
        assert worker.outcomes.bodies == []
        worker.post(ChunkMessage.from_wire(again), 10)
        assert len(api.requests) == 5 * 3
    assert worker.outcomes.bodies == [outcome(3, delivered=0b111).to_wire()]
    assert worker.dead_letters.bodies == []
