"""Runs MiniStack in this process, with the gaps closed, until a signal stops it."""

import asyncio
import importlib
import json
import os
import resource
import shutil
import signal
import socket
import sys
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import uvicorn
import uvloop

from tools.emulator.aws import patching
from tools.emulator.aws.administration import Administration
from tools.emulator.aws.asgi import AsgiMessage, Receive, Send
from tools.emulator.aws.guard import Guard
from tools.emulator.aws.options import Options
from tools.emulator.aws.repeated_requests import RepeatedRequests
from tools.emulator.aws.request_shapes import RequestShapes

if TYPE_CHECKING:
    from tools.emulator.aws.gaps import Gap

_HOST = "127.0.0.1"
_STOCK_REAPER = "dynamodb-ttl-reaper"
_GRACE_SECONDS = 1
_KEEP_ALIVE_SECONDS = 75
_DESCRIPTORS = 10_240
# Variables that a process needs to run; no other variable of the caller's environment may configure MiniStack.
_INHERITED = ("PATH", "HOME", "LANG", "LC_ALL")


class StartRefusedError(Exception):
    """The local AWS cannot start; the message says why and what to do."""


def run(options: Options) -> None:
    """Serve until SIGTERM or SIGINT; says on stdout, and in the ready file, when it is ready."""
    listener = _listen(options.port)
    options = replace(options, port=listener.getsockname()[1])
    shutil.rmtree(options.scratch_dir, ignore_errors=True)
    options.scratch_dir.mkdir(parents=True)
    _set_environment(options)
    _allow_descriptors()
    try:
        # MiniStack reads its environment when it is imported, so this is the first time that it is.
        with _not_started(_STOCK_REAPER):
            all_gaps = importlib.import_module("tools.emulator.aws.gaps.all_gaps").GAPS
        gaps: list[Gap] = [gap(options) for gap in all_gaps]
        patching.apply(patch for gap in gaps for patch in gap.patches)
        asyncio.run(_serve(options, listener, gaps), loop_factory=uvloop.new_event_loop)
    except patching.PatchRefusedError as error:
        raise StartRefusedError(str(error)) from error
    finally:
        shutil.rmtree(options.scratch_dir, ignore_errors=True)


def _listen(port: int) -> socket.socket:
    try:
        return socket.create_server((_HOST, port), backlog=1024)
    except OSError as error:
        raise StartRefusedError(
            f"{_HOST}:{port} cannot be listened on ({error.strerror}). "
            "Stop what runs there, or start with another --port."
        ) from error


def _allow_descriptors() -> None:
    """A socket for each client, three pipes for each worker: more than the usual soft limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _DESCRIPTORS if most == resource.RLIM_INFINITY else min(_DESCRIPTORS, most)
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, most))


def _set_environment(options: Options) -> None:
    inherited = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    os.environ.clear()
    os.environ.update(
        inherited,
        GATEWAY_PORT=str(options.port),
        BIND_HOST=_HOST,
        MINISTACK_ACCOUNT_ID=options.account,
        MINISTACK_REGION=options.region,
        AWS_ACCESS_KEY_ID=options.account,
        AWS_SECRET_ACCESS_KEY=options.secret,  # of presigned URLs
        AUTH="true",  # IAM is enforced
        PERSIST_STATE="1",
        STATE_DIR=str(options.state_dir / "ministack"),
        S3_PERSIST="1",
        S3_DATA_DIR=str(options.state_dir / "s3"),
        TMPDIR=str(options.scratch_dir),
        LAMBDA_ACCOUNT_CONCURRENCY="1000",  # AWS's; the workers have caps of their own
        SFTP_ENABLED="0",
        IOT_MTLS_ENABLED="0",
        DOCKER_HOST=f"unix://{options.scratch_dir}/no-docker",  # a container engine is never looked for
        LOG_LEVEL=options.log_level,
    )
    tempfile.tempdir = None


@contextmanager
def _not_started(name: str) -> Iterator[None]:
    """Keep the one thread called `name` from being started."""
    start = threading.Thread.start
    kept: list[threading.Thread] = []

    def start_others(thread: threading.Thread) -> None:
        if thread.name == name:
            kept.append(thread)
        else:
            start(thread)

    threading.Thread.start = start_others  # type: ignore[method-assign,assignment]
    try:
        yield
    finally:
        threading.Thread.start = start  # type: ignore[method-assign]
    if len(kept) != 1:
        raise StartRefusedError(f"MiniStack was to start one thread {name!r} and started {len(kept)}: adapt the gap.")


async def _serve(options: Options, listener: socket.socket, gaps: "list[Gap]") -> None:
    save = importlib.import_module("tools.emulator.aws.gaps.saved_state").save
    signing_key = importlib.import_module("tools.emulator.aws.gaps.credentials").signing_keys(options.secret)
    services = RequestShapes(RepeatedRequests(importlib.import_module("ministack.app").app))
    application = Guard(
        Administration(services, save, signing_key),
        options.port,
        signing_key,
        trusts_web_identities=options.trust_web_identities,
    )
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    background: list[asyncio.Task[None]] = []

    async def until_stopped() -> None:
        stopped = asyncio.create_task(stop.wait())
        ended, _ = await asyncio.wait([stopped, *background], return_when=asyncio.FIRST_COMPLETED)
        for task in background:
            task.cancel()
        await asyncio.gather(*background, return_exceptions=True)
        for gap in gaps:
            for close in gap.close:
                await asyncio.to_thread(close)
        for finished in ended:
            finished.result()  # what runs in the background ends by an error only: it becomes the launcher's

    async def with_background(scope: AsgiMessage, receive: Receive, send: Send) -> None:
        async def send_noting_startup(message: AsgiMessage) -> None:
            await send(message)
            if message["type"] == "lifespan.startup.complete":
                background.extend(asyncio.create_task(work()) for gap in gaps for work in gap.background)
                _announce(options)

        await application(scope, receive, send_noting_startup if scope["type"] == "lifespan" else send)

    config = uvicorn.Config(
        with_background,
        http="httptools",
        ws="none",
        lifespan="on",
        log_level=options.log_level.lower(),
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,  # MiniStack adds its own
        reset_contextvars=True,  # it keeps who is calling there
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
        timeout_graceful_shutdown=_GRACE_SECONDS,
    )
    await _Server(config, until_stopped).serve([listener])


class _Server(uvicorn.Server):
    """Serves until it is over for others than a signal: those are handled above."""

    def __init__(self, config: uvicorn.Config, until_stopped: Callable[[], Awaitable[None]]) -> None:
        super().__init__(config)
        self._until_stopped = until_stopped

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        """Leave signals to the launcher."""
        return nullcontext()

    async def main_loop(self) -> None:
        """Serve until then."""
        await self._until_stopped()


def _announce(options: Options) -> None:
    # The socket listens already, and the application has its state: a request made now is answered.
    line = json.dumps({"event": "ready", "port": options.port, "endpoint": f"http://{_HOST}:{options.port}"})
    if options.ready_file is not None:
        unfinished = options.ready_file.with_suffix(".tmp")
        unfinished.write_text(line + "\n", encoding="utf-8")
        unfinished.replace(options.ready_file)
    sys.stdout.write(line + "\n")
    sys.stdout.flush()
