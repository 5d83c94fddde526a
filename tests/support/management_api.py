"""A management API of the tests' own: it answers requests for each connection as configured, and notes them."""

import http.server
import socket
import ssl
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import unquote

from loudhailer.ids import ConnectionId

type Behaviour = int | Literal["reset", "hang"]
"""A status, a connection that is reset, or no answer at all."""


@dataclass
class PostRequest:
    """A request as it arrived, and its answer."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes
    client_port: int
    answer: Behaviour

    @property
    def connection(self) -> ConnectionId:
        """The connection that it is about."""
        return connection_of(self.path)


def connection_of(path: str) -> ConnectionId:
    """The connection that the path of a request names."""
    return ConnectionId(unquote(path.rpartition("/@connections/")[2]))


@dataclass
class ManagementApi:
    """A running server; `answers` are used up one by one, and the last one stays; others get 200."""

    answers: dict[ConnectionId, list[Behaviour]] = field(default_factory=dict)
    requests: list[PostRequest] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    port: int = 0
    scheme: str = "http"

    @property
    def endpoint(self) -> str:
        """The management endpoint."""
        return f"{self.scheme}://127.0.0.1:{self.port}/abcdef1234/live"

    def behaviour(self, path: str) -> Behaviour:
        """Return the next answer for the connection that the path names."""
        answers = self.answers.get(connection_of(path), [200])
        return answers.pop(0) if len(answers) > 1 else answers[0]


def _handler(api: ManagementApi) -> type[http.server.BaseHTTPRequestHandler]:
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def do_POST(self) -> None:  # the name is http.server's
            body = self.rfile.read(int(self.headers["Content-Length"]))
            answer = api.behaviour(self.path)
            headers, port = dict(self.headers.items()), self.client_address[1]
            api.requests.append(PostRequest(self.command, self.path, headers, body, port, answer))
            match answer:
                case "hang":
                    api.over.wait(30)
                    self.close_connection = True
                case "reset":
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.close_connection = True
                case status:
                    content = b"" if status in {200, 204} else b'{"message":"as told"}'
                    self.send_response(int(status))
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content)

        do_DELETE = do_GET = do_POST  # noqa: N815  # the names are http.server's

        def log_message(self, *_: object) -> None:
            """Quietly."""

    return Handler


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def handle_error(self, *_: object) -> None:
        """A client that refuses the certificate or goes away is part of the test."""


@contextmanager
def running(
    answers: Mapping[ConnectionId, list[Behaviour]] | None = None, tls: ssl.SSLContext | None = None
) -> Iterator[ManagementApi]:
    """The server on a free port of 127.0.0.1, until the end of the block."""
    api = ManagementApi({connection: list(found) for connection, found in (answers or {}).items()})
    with _Server(("127.0.0.1", 0), _handler(api)) as server:
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
            api.scheme = "https"
        api.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            api.over.set()
            server.shutdown()
            thread.join(10)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
