"""One execution environment of a function that is an image: a container, asked through Lambda's runtime API.

The runtime in the image asks for its next invocation and hands in the answer, one after the other, as on Lambda:
https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html. The container shares the machine's network, so that
what is at 127.0.0.1 is there for it, too; its file system is read-only but for /tmp, and its user has no rights.
It ends by itself when the API does: a runtime that cannot ask for its next invocation exits.

A runtime signs nothing, and every user of the machine reaches 127.0.0.1. So each API has a name of its own that nobody
can guess, and answers nobody who calls it otherwise. The container alone knows the name: it is in its environment, as
AWS_LAMBDA_RUNTIME_API, and in its /etc/hosts.
"""

import hmac
import json
import os
import queue
import secrets
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from contextvars import copy_context
from datetime import UTC, datetime
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from tools.emulator.containers.worker import (
    INIT_SECONDS,
    CallOutcome,
    Function,
    FunctionCall,
    FunctionImage,
    exited,
    timed_out,
)
from tools.errors import OperatorError
from tools.image.engine import ContainerEngine

_HOST = "127.0.0.1"
_API = "/2018-06-01/runtime"
_DESCRIPTORS = 1024  # https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html
_NOBODY = 65534
_KILL_SECONDS = 0.5
_GRACE_SECONDS = 5.0
_CLIENTS = ("HOME", "PATH")
"""Variables that the engine's client needs of the launcher's environment."""

_ADDRESS = "AWS_LAMBDA_RUNTIME_API"
_SECRET = (_ADDRESS, "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")
"""The container gets these from the client's environment: every user of the machine can read a command line."""

_ANSWER_BYTES = 6_291_556
"""The largest answer of a function: https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

_TOO_LARGE = {
    "errorType": "Function.ResponseSizeTooLarge",
    "errorMessage": f"Response payload size exceeded maximum allowed payload size ({_ANSWER_BYTES} bytes).",
}

type RuntimeAnswer = dict[str, Any]


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Pass over a runtime that ended in the middle of a request: its worker learns it from the engine's client."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class RuntimeApi:
    """Serves one runtime. `answers` gets {"ready"}, {"result"} or {"error"}, and None when there will be no more."""

    def __init__(self) -> None:
        self.answers: queue.Queue[RuntimeAnswer | None] = queue.Queue()
        self._invocations: queue.Queue[tuple[FunctionCall, float] | None] = queue.Queue()
        self._server = _Server((_HOST, 0), self._handler())
        self.name = f"runtime-{secrets.token_hex(16)}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    @property
    def address(self) -> str:
        """Its name and port, as AWS_LAMBDA_RUNTIME_API has them."""
        return f"{self.name}:{self.port}"

    @property
    def port(self) -> int:
        """Port of the container at 127.0.0.1."""
        return self._server.server_port

    def put(self, invocation: FunctionCall, deadline: float) -> None:
        """Put the event that the runtime gets when it asks next; the deadline in epoch seconds."""
        self._invocations.put((invocation, deadline))

    def close(self) -> None:
        """Answer no more; a runtime that waits for its next invocation learns it, and exits."""
        self._invocations.put(None)
        threading.Thread(target=self._stop, daemon=True).start()

    def _stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def parse_request(self) -> bool:
                """Read a request, and refuse one that does not know the name."""
                if not super().parse_request():
                    return False
                named = ",".join(self.headers.get_all("Host", ()))
                if hmac.compare_digest(named.encode(), api.address.encode()):
                    return True
                self.send_error(HTTPStatus.FORBIDDEN, explain="Only the function's own runtime may ask.")
                return False

            def do_GET(self) -> None:
                """The next invocation, once there is one."""
                api.answers.put({"ready": True})
                handed = api._invocations.get()
                if handed is None:
                    self.close_connection = True
                    return
                invocation, deadline = handed
                headers = {
                    "Lambda-Runtime-Aws-Request-Id": invocation.request_id,
                    "Lambda-Runtime-Deadline-Ms": str(int(deadline * 1000)),
                    "Lambda-Runtime-Invoked-Function-Arn": invocation.function_arn,
                    "Lambda-Runtime-Trace-Id": invocation.trace_id or "",
                }
                self._respond(HTTPStatus.OK, json.dumps(invocation.event).encode(), headers)

            def do_POST(self) -> None:
                """A response, an error, or an error of the initialization."""
                status, answer = _answer(self.path, int(self.headers["Content-Length"]), self.rfile)
                self.close_connection |= status is not HTTPStatus.ACCEPTED
                self._respond(status, b'{"status": "OK"}', {})
                api.answers.put(answer)

            def _respond(self, status: HTTPStatus, body: bytes, headers: dict[str, str]) -> None:
                self.send_response(status)
                for name, value in {"Content-Type": "application/json", **headers}.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the overridden method's name)
                """Say nothing."""

        return Handler


def _answer(path: str, size: int, stream: BufferedIOBase) -> tuple[HTTPStatus, RuntimeAnswer]:
    if size > _ANSWER_BYTES:
        return HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"error": _TOO_LARGE}
    body = json.loads(stream.read(size) or b"null")
    return HTTPStatus.ACCEPTED, {"result" if path.endswith("/response") else "error": body}


class ContainerWorker:
    """A container that runs one function, one invocation at a time; the caller sees to that.

    The function's output is passed to `write` line by line as it arrives: unlike a process's pipe, the engine does not
    pass a log on before the answer.
    """

    def __init__(
        self,
        function: Function,
        image: FunctionImage,
        engine: ContainerEngine,
        write: Callable[[Function, str, list[str]], None],
    ) -> None:
        self.function = function
        self.log_stream = f"{datetime.now(UTC):%Y/%m/%d}/[{function.version}]{uuid.uuid4().hex}"
        self._engine = engine
        self._write = write
        self._ready = False
        self._killed = False
        self._name = f"loudhailer-{uuid.uuid4().hex}"
        self._api = RuntimeApi()
        self._folder = tempfile.TemporaryDirectory(prefix="runtime-")
        self._hosts = Path(self._folder.name) / "hosts"
        self._hosts.write_text(f"{_HOST} localhost {self._api.name}\n::1 localhost\n")
        self._hosts.chmod(0o444)  # the container's user may be another one; the folder keeps all others out
        self._environment = {
            **dict(function.environment),
            "AWS_LAMBDA_LOG_STREAM_NAME": self.log_stream,
            _ADDRESS: self._api.address,
        }
        self._client = subprocess.Popen(
            [engine.client, "run", *self._options(), image.reference, *image.command],
            env={
                "DOCKER_HOST": engine.address,
                **{name: os.environ[name] for name in _CLIENTS if name in os.environ},
                **{name: self._environment[name] for name in _SECRET if name in self._environment},
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            start_new_session=True,  # a Ctrl-C in the terminal is the launcher's to handle
        )
        # MiniStack keeps whose account it acts for in the context of the thread.
        threading.Thread(target=copy_context().run, args=(self._read_log,), daemon=True).start()

    @property
    def alive(self) -> bool:
        """True if it can take another invocation."""
        return not self._killed and self._client.poll() is None

    def invoke(self, invocation: FunctionCall) -> CallOutcome:
        """Run one invocation. A worker that times out or exits is dead afterwards; one whose handler raised is not."""
        try:
            if not self._ready:
                ready = self._answer(INIT_SECONDS)
                if ready is None or "error" in ready:
                    self.kill()
                    return self._outcome(ready, invocation)
                self._ready = True
            timeout = self.function.timeout
            self._api.put(invocation, time.time() + timeout)
            answer = self._answer(timeout)
        except queue.Empty:
            self.kill()
            return CallOutcome(None, timed_out(self.function, invocation), "")
        if answer is None:
            self.kill()
        return self._outcome(answer, invocation)

    def kill(self) -> None:
        """End the container at once; the engine removes it."""
        self._killed = True
        while self._client.poll() is None:
            # It may have ended by itself, or not have been made yet.
            with suppress(OperatorError):
                self._engine.run("kill", self._name)
            with suppress(subprocess.TimeoutExpired):
                self._client.wait(_KILL_SECONDS)

    def close(self) -> None:
        """Let the container end, which takes the engine a moment that nobody has to wait for."""
        self._killed = True
        self._api.close()
        threading.Thread(target=self._end, daemon=True).start()

    def _end(self) -> None:
        try:
            self._client.wait(_GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            self.kill()

    def _options(self) -> list[str]:
        environment = self._environment
        user = os.getuid() or _NOBODY  # who starts it may end it, without being root
        return [
            *("--rm", "--pull=never", "--network=host", "--log-driver=none"),
            *(f"--name={self._name}", f"--label=loudhailer={environment['AWS_ENDPOINT_URL']}"),
            f"--volume={self._hosts}:/etc/hosts:ro",
            *("--read-only", "--tmpfs=/tmp:size=512m,mode=1777", f"--user={user}:{user}"),
            *("--cap-drop=ALL", "--security-opt=no-new-privileges", f"--ulimit=nofile={_DESCRIPTORS}:{_DESCRIPTORS}"),
            *(f"--env={name}" if name in _SECRET else f"--env={name}={value}" for name, value in environment.items()),
        ]

    def _answer(self, seconds: float) -> RuntimeAnswer | None:
        """The runtime's next answer; None when it has ended. Raises queue.Empty when it takes too long."""
        ends = time.monotonic() + seconds
        while True:
            answer = self._api.answers.get(timeout=max(0.0, ends - time.monotonic()))
            # A runtime asks for the next invocation after each answer, too.
            if answer is None or not self._ready or "ready" not in answer:
                return answer

    def _outcome(self, answer: RuntimeAnswer | None, invocation: FunctionCall) -> CallOutcome:
        if answer is None:
            return CallOutcome(None, exited(self._client.returncode, invocation), "")
        return CallOutcome(answer.get("result"), answer.get("error"), "")

    def _read_log(self) -> None:
        with self._client:
            for line in self._client.stdout or ():
                self._write(self.function, self.log_stream, [line.rstrip("\n")])
        self._api.answers.put(None)
        self._folder.cleanup()
