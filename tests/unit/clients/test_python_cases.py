"""The table of cases that both clients share, played against the one in Python."""

import asyncio
import heapq
import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, override

import pytest

from loudhailer_client import Channel, Client, LoudhailerError, Recover, Room, Session, SessionQuestion, Status
from loudhailer_client.events import Emitter
from loudhailer_client.http import Request, Response
from loudhailer_client.sockets import Hooks
from loudhailer_client.times import Times
from tests.support.checkout import ROOT

TABLE = json.loads((ROOT / "clients" / "cases.json").read_text())

type Step = dict[str, Any]


class ScriptedLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock is set by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0

    @override
    def time(self) -> float:
        return self.now

    async def pass_time(self, milliseconds: float) -> None:
        """Run each timer at its time."""
        end = round(self.now + milliseconds / 1_000, 6)
        while True:
            await settle()
            scheduled: list[asyncio.TimerHandle] = self._scheduled  # type: ignore[attr-defined]  # the loop's own heap
            due = [timer.when() for timer in heapq.nsmallest(50, scheduled) if not timer.cancelled()]
            if not due or round(due[0], 6) > end:
                break
            self.now = max(self.now, due[0])
        self.now = end
        await settle()


async def settle() -> None:
    """Run all that is ready."""
    for _ in range(30):
        await asyncio.sleep(0)


class ScriptedSocket:
    """A socket that a case opens, feeds and closes."""

    def __init__(self, url: str, hooks: Hooks, *, pongs: bool) -> None:
        self.url = url
        self.hooks = hooks
        self.sent: list[Any] = []
        self.is_closed = False
        self._pongs = pongs

    def send(self, text: str) -> bool:
        """Record a frame, or answer a ping."""
        if self._pongs and text == '{"action":"ping"}':
            asyncio.get_running_loop().call_soon(self.hooks.on_text, '{"action":"pong"}')
        else:
            self.sent.append(json.loads(text))
        return True

    def close(self) -> None:
        """Record it."""
        self.is_closed = True


class Stage:
    """Plays a case, and records what the application sees."""

    def __init__(self, loop: ScriptedLoop, case: Mapping[str, Any]) -> None:
        self._loop = loop
        self._pongs = case.get("pongs", False)
        self._answers = [*case.get("sessions", [])]
        self._sockets: list[ScriptedSocket] = []
        self._questions: list[SessionQuestion] = []
        self._requests: list[tuple[Request, asyncio.Future[Response]]] = []
        self._events: list[Any] = []
        self._objects: dict[str, Emitter] = {}
        self._unsubscribe: dict[str, Callable[[], None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._ids = 0
        chance = float(case.get("options", {}).get("random", 1))
        self._client = Client(
            self._session,
            times=Times(random=lambda: chance, new_id=self._new_id),
            dial=self._dial,
            fetch=self._fetch,
        )
        self._watch("client", self._client, "status", "broadcast", "direct", "echo", "error")

    def _new_id(self) -> str:
        self._ids += 1
        return f"id-{self._ids}"

    def _dial(self, url: str, hooks: Hooks) -> ScriptedSocket:
        self._sockets.append(socket := ScriptedSocket(url, hooks, pongs=self._pongs))
        return socket

    async def _session(self, question: SessionQuestion) -> Session:
        self._questions.append(question)
        answer = self._answers.pop(0) if self._answers else {}
        if answer == "never":
            await asyncio.Event().wait()
        if "error" in answer:
            details = dict(answer["error"])
            raise LoudhailerError(details.pop("code"), "refused", **details)
        fields = {**TABLE["defaults"]["session"], **answer}
        names = {"websocket_url": "webSocketUrl", "http_url": "httpUrl", "tenant_id": "tenantId"}
        names |= {"session_id": "sessionId", "expires_in": "expiresIn"}
        return Session.from_wire({names[name]: value for name, value in fields.items()})

    async def _fetch(self, request: Request, timeout: float) -> Response:  # noqa: ARG002, ASYNC109
        answer: asyncio.Future[Response] = self._loop.create_future()
        self._requests.append((request, answer))
        return await answer

    def _watch(self, name: str, target: Emitter, *events: str) -> None:
        self._objects[name] = target
        for event in events:
            self._unsubscribe[f"{name} {event}"] = target.on(event, self._recorder(name, event))

    def _recorder(self, name: str, event: str) -> Callable[[Any], None]:
        return lambda value: self._events.append([name, event, seen(event, value)])

    def _await(self, name: str, work: Awaitable[Any]) -> None:
        async def outcome() -> None:
            try:
                answer = await work
            except LoudhailerError as error:
                self._events.append([name, "failed", error.code])
            else:
                self._events.append([name, "done", answer])

        task = self._loop.create_task(outcome())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _channel(self, name: str) -> Channel:
        channel = self._objects[name]
        assert isinstance(channel, Channel)
        return channel

    async def play(self, step: Step) -> None:
        """Carry out one step, or check what it expects."""
        act = next(name for name in step if hasattr(self, f"act_{name}"))
        done = getattr(self, f"act_{act}")(step)
        if done is not None:
            await done
        await settle()

    def end(self) -> None:
        """Close the client."""
        self._client.close()

    @property
    def left(self) -> list[object]:
        """The timers, tasks and open sockets that remain."""
        scheduled: list[asyncio.TimerHandle] = self._loop._scheduled  # type: ignore[attr-defined]
        timers = [timer for timer in scheduled if not timer.cancelled()]
        tasks = asyncio.all_tasks() - {asyncio.current_task()}
        return [*timers, *tasks, *(socket for socket in self._sockets if not socket.is_closed)]

    def act_channel(self, step: Step) -> None:
        """Subscribe to a channel."""
        recover = step.get("recover", False)
        channel = self._client.channel(
            step["channel"],
            recover=Recover(recover["messages"]) if isinstance(recover, dict) else recover,
            since=step.get("since"),
            nickname=step.get("nickname"),
        )
        self._watch(step["channel"], channel, "message", "presence", "unrecovered", "subscribed", "error")

    def act_channels(self, step: Step) -> None:
        """Subscribe to many channels."""
        for number in range(step["channels"]):
            self._client.channel(f"c{number}")

    def act_leave(self, step: Step) -> None:
        """Leave a channel."""
        self._channel(step["leave"]).leave()

    def act_publish(self, step: Step) -> None:
        """Publish to a channel."""
        self._await(step["as"], self._channel(step["publish"]).publish(step["data"]))

    def act_members(self, step: Step) -> None:
        """Read a page of members."""
        page = self._channel(step["members"]).members(limit=step.get("limit"), next=step.get("next"))
        self._await(step["as"], page)

    def act_room(self, step: Step) -> None:
        """Enter a room."""
        room = self._client.room(step["room"], step["nickname"])
        self._watch(f"room {step['room']}", room, "message", "joined", "left", "error")

    def act_say(self, step: Step) -> None:
        """Say something in the room."""
        room = self._objects[f"room {step['say']}"]
        assert isinstance(room, Room)
        self._await(step["as"], room.say(step["content"]))

    def act_direct(self, step: Step) -> None:
        """Send a direct message."""
        self._await(step["as"], self._client.direct(step["direct"], step["message"]))

    def act_directs(self, step: Step) -> None:
        """Send many direct messages."""
        for number in range(1, step["directs"] + 1):
            self._await(f"{step['as']}{number}", self._client.direct("bob", number))

    def act_long(self, step: Step) -> None:
        """Send a direct message of this length."""
        self._await(step["as"], self._client.direct("bob", "x" * step["long"]))

    def act_silo(self, step: Step) -> None:
        """Send through the silo."""
        assert self._client.silo(step["silo"]) is step["sent"]

    def act_pool(self, step: Step) -> None:
        """Send through the pool."""
        assert self._client.pool(step["pool"]) is step["sent"]

    def act_check(self, _: Step) -> None:
        """Check the connection."""
        self._client.check()

    def act_close(self, _: Step) -> None:
        """Close the client."""
        self._client.close()

    def act_check_and_close(self, _: Step) -> None:
        """Check the connection, and close the client in the same moment."""
        self._client.check()
        self._client.close()

    def act_closes_on(self, step: Step) -> None:
        """Close the client in a handler."""

        def close(status: Status) -> None:
            if status.state == step["closes_on"]:
                self._client.close()

        self._client.on("status", close)

    def act_leaves_on(self, step: Step) -> None:
        """Leave a channel in a handler that is not the last one."""
        name, event = step["leaves_on"]
        channel = self._channel(name)
        channel.on(event, lambda _: channel.leave())
        channel.on(event, lambda _: self._events.append([name, "called although it was left"]))

    def act_unsubscribe(self, step: Step) -> None:
        """Remove a handler."""
        self._unsubscribe[step["unsubscribe"]]()

    def act_fail(self, step: Step) -> None:
        """Add a handler that fails."""
        name, event = step["fail"]

        def fail(_: object) -> None:
            raise ZeroDivisionError

        self._objects[name].on(event, fail)

    async def act_pass(self, step: Step) -> None:
        """Let time pass."""
        await self._loop.pass_time(step["pass"])

    def act_opens(self, step: Step) -> None:
        """Complete a handshake."""
        self._sockets[step["opens"]].hooks.on_open()

    def act_drops(self, step: Step) -> None:
        """Lose a socket."""
        self._sockets[step["drops"]].hooks.on_close()

    def act_frame(self, step: Step) -> None:
        """Receive a frame."""
        self._sockets[step.get("on", 0)].hooks.on_text(json.dumps(step["frame"]))

    def act_frames(self, step: Step) -> None:
        """Receive a message for each offset."""
        fields = dict(step["frames"])
        for offset in range(fields.pop("from"), fields.pop("to") + 1):
            frame = {**fields, "id": f"m{offset}", "offset": offset, "data": offset}
            self._sockets[step.get("on", 0)].hooks.on_text(json.dumps(frame))

    def act_text(self, step: Step) -> None:
        """Receive a text."""
        self._sockets[step.get("on", 0)].hooks.on_text(step["text"])

    def act_sent(self, step: Step) -> None:
        """Compare the frames that were sent since the last look."""
        socket = self._sockets[step.get("on", 0)]
        sent, socket.sent = socket.sent, []
        assert sent == step["sent"]

    def act_count(self, step: Step) -> None:
        """Compare the number of frames that were sent since the last look."""
        socket = self._sockets[step.get("on", 0)]
        sent, socket.sent = socket.sent, []
        assert len(sent) == step["count"]

    def act_sockets(self, step: Step) -> None:
        """Compare which sockets the client has closed."""
        assert ["closed" if socket.is_closed else "open" for socket in self._sockets] == step["sockets"]

    def act_first(self, step: Step) -> None:
        """Compare whether the first socket is closed."""
        assert self._sockets[0].is_closed is (step["first"] == "closed")

    def act_urls(self, step: Step) -> None:
        """Compare the URLs of all sockets."""
        assert [socket.url for socket in self._sockets] == step["urls"]

    def act_asked(self, step: Step) -> None:
        """Compare the questions for a session since the last look."""
        asked, self._questions = self._questions, []
        assert [{"session_id": each.session_id, "renew": each.renew} for each in asked] == step["asked"]

    def act_request(self, step: Step) -> None:
        """Compare the oldest HTTP request, and answer it."""
        request, answer = self._requests.pop(0)
        assert f"{request.method} {request.url}" == step["request"]
        if "authorization" in step:
            assert request.headers["authorization"] == step["authorization"]
        if answer.done():
            return  # it was cancelled
        if step["answer"] == "unreachable":
            answer.set_exception(ConnectionRefusedError())
        else:
            body = step["answer"]["body"]
            text = body if isinstance(body, str) else json.dumps(body)
            answer.set_result(Response(step["answer"].get("status", 200), step["answer"].get("headers", {}), text))

    def act_requests(self, step: Step) -> None:
        """Compare the number of HTTP requests that wait."""
        assert len(self._requests) == step["requests"]

    def act_discard(self, step: Step) -> None:
        """Forget the events but for these."""
        self._events = [event for event in self._events if event[1] in step.get("keep", [])]

    def act_seen(self, step: Step) -> None:
        """Compare the events since the last look."""
        events, self._events = self._events, []
        assert events == step["seen"]

    def act_seen_count(self, step: Step) -> None:
        """Compare the number of events since the last look."""
        events, self._events = self._events, []
        assert len(events) == step["seen_count"]


def seen(event: str, value: Any) -> Any:
    """Return an event's value as the table has it."""
    match event, value:
        case "error", LoudhailerError(channel=None):
            return value.code
        case "error", _:
            return [value.code, value.channel]
        case "status", Status(state, delay, _, error):
            code = error.code if isinstance(error, LoudhailerError) else None
            milliseconds = None if delay is None else round(delay * 1_000)
            return [each for each in (state, milliseconds, code) if each is not None]
        case (("broadcast" | "message"), _):
            return value.get("data", value.get("content"))
        case "direct", _:
            return value["message"]
        case _:
            return value


@pytest.mark.parametrize("case", TABLE["cases"], ids=[case["name"] for case in TABLE["cases"]])
def test_the_client_agrees_with_the_table_of_cases(case: dict[str, Any]) -> None:
    """The client in JavaScript is tested with the same table."""

    async def play() -> None:
        stage = Stage(loop, case)
        if not case.get("early"):
            await settle()
        for number, step in enumerate(case["steps"]):
            try:
                await stage.play(step)
            except AssertionError as error:
                raise AssertionError(f"step {number}, {json.dumps(step)}: {error}") from error
        stage.end()
        await settle()
        assert stage.left == []

    loop = ScriptedLoop()
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(play())
