"""The client."""

import asyncio
import json
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, Self
from urllib.parse import quote, urlencode

from loudhailer_client import http
from loudhailer_client.channel import Channel, ChannelOptions, Recover, Room
from loudhailer_client.connection import Connection, GetSession, Status
from loudhailer_client.errors import LoudhailerError
from loudhailer_client.events import Emitter
from loudhailer_client.http import Fetch, Parse
from loudhailer_client.recovery import Recovery
from loudhailer_client.requests import Frame, Request, Requests, written
from loudhailer_client.sockets import Dial, Line, WebSocket
from loudhailer_client.stream import Message, Stream, is_offset
from loudhailer_client.times import REMEMBERED, Recent, Times

_NAMES = 25
"""Channels in one subscribe frame."""

_LATER_SECONDS = 60.0
_MESSAGES = 10_000
_OVER = {"SESSION_OVER", "CONNECTION_OVER", "UNKNOWN_CALLER"}
"""Errors after which the client connects again."""

_ECHO = {"NOT_QUEUED", "RESERVED_FIELD", "TOO_LONG"}
"""Errors of frames that are not answered."""

_LATER = {"NOT_YET", "TRY_AGAIN", "UNSUBSCRIBED"}
"""Errors after which a channel is subscribed to again."""

_ROOM_EVENTS = {"sendmessage": "message", "joinroom": "joined", "leaveroom": "left"}


class Client(Emitter):
    """A connection that keeps itself up, and what comes on it. Make it in a running event loop; it connects at once.

    Its events are `status` (a Status), `broadcast`, `direct`, `echo` (each a frame's JSON), `error` (a LoudhailerError)
    and `frame` (the text of each frame, and whether it was sent). As a context manager it is closed in the end.

    Args:
        get_session: asks your backend for a session before each connection. Its LoudhailerError ends the client
            if it is `fatal`, and names the time of the next attempt in `retry_after`.
        parse: parses each frame, such as `lambda text: json.loads(text, parse_float=Decimal)`.
        times: times, and sources of chance.
        dial: opens sockets.
        fetch: carries out HTTP requests.
    """

    def __init__(
        self,
        get_session: GetSession,
        *,
        parse: Parse = json.loads,
        times: Times | None = None,
        dial: Dial = WebSocket,
        fetch: Fetch = http.fetch,
    ) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._times = Times() if times is None else times
        self._parse = parse
        self._fetch = fetch
        self._connection = Connection(get_session, self._times, dial, parse, self)
        self._requests = Requests(self._times, self)
        self._recovery = Recovery(self, self._times)
        self._is_over = False
        self._channels: dict[str, Channel] = {}  # by name or pattern
        self._streams: dict[str, Stream] = {}  # by the names of channels whose messages have come
        self._unsubscribed: dict[Channel, None] = {}  # channels whose `subscribe` is to be sent
        self._left: dict[str, None] = {}  # names whose `unsubscribe` is to be sent before
        self._unconfirmed: set[Channel | Room] = set()  # of which the connection has no answer yet
        self._is_outside = False  # the room is to be entered
        self._retries: set[asyncio.TimerHandle] = set()
        self._attempt = 0  # to subscribe
        self._room: Room | None = None
        self._recent = {event: Recent() for event in ("broadcast", "direct", "message")}
        self._loop.call_soon(self._open)

    def _open(self) -> None:
        if not self._is_over:
            self._connection.open()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
        await asyncio.sleep(0)  # sockets begin to close

    def channel(
        self,
        name: str,
        *,
        recover: bool | Recover = False,
        since: Literal["last"] | None = None,
        nickname: str | None = None,
    ) -> Channel:
        """Return the channel of that name, or with `news/*` all below a prefix; subscribed on each connection.

        Args:
            name: the name, or a pattern that ends with `/*`.
            recover: hand messages on in order, and recover gaps.
            since: `last` to begin with the last message, which comes at once.
            nickname: the name that other members see.
        """
        channel = self._channels.get(name)
        if channel is None:
            options = ChannelOptions(recover=recover, since=since, nickname=nickname)
            channel = self._channels[name] = Channel(self, self, name, options)
            self._subscribe(channel)
        return channel

    def room(self, key: str, nickname: str) -> Room:
        """Enter a room, on each connection. A client is in one room: the former one is left."""
        if self._room is not None:
            self._unconfirmed.discard(self._room)
        self._room = Room(self, self, key, nickname)
        self._join()
        return self._room

    async def direct(self, player_id: str, message: object) -> dict[str, Any]:
        """Send JSON to a player; return `{messageId}` once it is stored."""
        return await self.ask({"action": "sendmessage", "destinationPlayerId": player_id, "message": message})

    def silo(self, message: object) -> bool:
        """Send JSON through the tenant's own queue to all connections of this session, in order.

        Return False if there is no connection.
        """
        return self.send(written({"action": "SiloSQS", "message": message}))

    def pool(self, message: object) -> bool:
        """Send JSON in the same way through the queue that tenants share."""
        return self.send(written({"action": "PooledSQS", "message": message}))

    def check(self) -> None:
        """Find out now whether the connection carries; while the client waits for its next attempt, make it now."""
        self._connection.check()

    def close(self) -> None:
        """Disconnect, and stay so. Requests that wait fail with `CLOSED`."""
        if not self._is_over:
            self._connection.close()

    async def ask(self, frame: dict[str, Any]) -> dict[str, Any]:
        """Send a frame with an id, again until it is answered; return the answer."""
        client_message_id = self._times.new_id()
        text = written({**frame, "clientMessageId": client_message_id})
        if self._is_over:
            raise _closed()
        return await self._requests.ask(text, lambda answer: answer.get("clientMessageId") == client_message_id)

    def send(self, text: str) -> bool:
        """Send a frame; return False if there is no connection."""
        is_sent = self._connection.send(text)
        if is_sent:
            self.emit("frame", (text, True))
        return is_sent

    def is_open(self) -> bool:
        """Tell whether there is a connection."""
        return self._connection.is_open

    def is_subscribed(self) -> bool:
        """Tell whether the connection has answered all subscriptions."""
        return not self._unconfirmed

    def on_error(self, error: LoudhailerError) -> None:
        """Report that the session is not renewed any more."""
        self.report(error)

    def line(self) -> object:
        """Return the line that carries."""
        return self._connection.line

    def on_status(self, status: Status) -> None:
        """Enter the room and subscribe on a new connection."""
        if status.state == "open":
            self._left.clear()  # a new connection has no channels
            self._join()
            self._subscribe_all(lambda _: True)
        elif status.state == "closed":
            self._end()
        else:
            self._requests.interrupt()
        self.emit("status", status)
        self._requests.pump()

    def on_keep_alive(self) -> None:
        """Compare positions: the last message before a silence may be lost."""
        self._subscribe_all(lambda channel: bool(channel.options.recover))

    def _end(self) -> None:
        self._is_over = True
        for timer in self._retries:
            timer.cancel()
        self._recovery.end()
        for stream in self._streams.values():
            stream.end()
        self._requests.end(_closed())

    # Rooms and subscriptions

    def _join(self) -> None:
        if self._room is not None:
            self._is_outside = True
            self._unconfirmed.add(self._room)
            self._requests.pump()

    def _joining(self) -> Request | None:
        room = self._room
        if not self._is_outside or room is None:
            return None
        self._is_outside = False
        expected = {"action": "joinroom", "roomKey": room.key, "nickName": room.nickname}

        def failed(error: LoudhailerError) -> None:
            if error.code == "TRY_AGAIN":
                self._later(lambda: self._join() if room is self._room else None)
            else:
                self._unconfirmed.discard(room)
                room.report(error)

        return Request(
            json.dumps(expected),
            lambda frame: {name: frame.get(name) for name in expected} == expected,
            lambda _: self._unconfirmed.discard(room),
            failed,
            is_subscription=True,
        )

    def _later(self, act: Callable[[], None], delay: float | None = None) -> None:
        def due() -> None:
            self._retries.discard(timer)
            act()

        if delay is None:
            delay = self._times.backoff(self._attempt)
            self._attempt += 1
        timer = self._loop.call_later(delay, due)
        self._retries.add(timer)

    def _subscribe(self, channel: Channel) -> None:
        self._unsubscribed[channel] = None
        self._unconfirmed.add(channel)
        if channel.options.recover and not channel.name.endswith("/*"):
            self._stream(channel.name).is_pending = True
        self._loop.call_soon(self._requests.pump)  # so that channels of one moment share a frame

    def _subscribe_all(self, is_meant: Callable[[Channel], bool]) -> None:
        for channel in [*self._channels.values()]:
            if is_meant(channel):
                self._subscribe(channel)

    def next_subscription(self) -> Request | None:
        """Return the frame that enters the room, or leaves or follows up to 25 channels; None if all is done."""
        return self._joining() or self._unsubscription() or self._subscription()

    def _subscription(self) -> Request | None:
        channels = [*self._unsubscribed][:_NAMES]
        if not channels:
            return None
        for channel in channels:
            del self._unsubscribed[channel]

        def meant(result: Mapping[str, Any]) -> Channel | None:
            """A name that is refused may come back without its end."""
            exact = [channel for channel in channels if channel.name == result["channel"]]
            begun = [
                channel for channel in channels if "error" in result and channel.name.startswith(result["channel"])
            ]
            return next(iter(exact + begun), None)

        def answers(frame: Frame) -> bool:
            return frame.get("type") == "subscribed" and all(meant(result) for result in frame["results"])

        def done(frame: Frame) -> None:
            for result in frame["results"]:
                channel = meant(result)
                if channel is not None and self._channels.get(channel.name) is channel:
                    self._on_subscribed(channel, result)

        def failed(error: LoudhailerError) -> None:
            for channel in channels:
                self._on_refused(channel, error.code, str(error), error.request_id)

        frame = {"action": "subscribe", "channels": [self._entry(channel) for channel in channels]}
        return Request(json.dumps(frame), answers, done, failed, is_subscription=True)

    def _entry(self, channel: Channel) -> dict[str, Any] | str:
        entry: dict[str, Any] = {}
        stream = self._streams.get(channel.name)
        if channel.options.recover and stream is not None and stream.epoch is not None:
            entry["since"] = stream.since
        elif channel.options.recover and channel.options.since is not None:
            entry["since"] = channel.options.since
        if channel.options.nickname is not None:
            entry["nickName"] = channel.options.nickname
        return {"channel": channel.name, **entry} if entry else channel.name

    def _on_subscribed(self, channel: Channel, result: Mapping[str, Any]) -> None:
        if result.get("error"):
            self._on_refused(channel, result["error"]["code"], result["error"]["message"], None)
            return
        self._attempt = 0
        self._unconfirmed.discard(channel)
        if channel.options.recover:
            for stream in [*self._streams.values()]:
                if stream.name == channel.name:
                    stream.subscribed(result, self._checked(result.get("messages", [])))
                elif stream.name not in self._channels and channel in self._listeners(stream.name):
                    stream.subscribed({}, [])  # a pattern has no position
        channel.emit("subscribed", dict(result))

    def _on_refused(self, channel: Channel, code: str, message: str, request_id: str | None) -> None:
        def again() -> None:
            if self._channels.get(channel.name) is channel:
                self._subscribe(channel)

        if code in _LATER:
            self._later(again, _LATER_SECONDS if code == "NOT_YET" else None)
            return
        self._unconfirmed.discard(channel)
        if channel.name in self._streams:
            self._streams[channel.name].refused()
        channel.report(LoudhailerError(code, message, channel=channel.name, request_id=request_id))

    def left(self, channel: Channel) -> None:
        """Unsubscribe from a channel."""
        if self._channels.get(channel.name) is not channel:
            return
        del self._channels[channel.name]
        self._unsubscribed.pop(channel, None)
        self._unconfirmed.discard(channel)
        for stream in [*self._streams.values()]:
            if not self._listeners(stream.name):
                self._forget(stream)
        self._left[channel.name] = None
        self._loop.call_soon(self._requests.pump)

    def _unsubscription(self) -> Request | None:
        names = [*self._left][:_NAMES]
        if not names:
            return None
        for name in names:
            del self._left[name]
        text = json.dumps({"action": "unsubscribe", "channels": names})
        return Request(
            text, lambda frame: frame.get("type") == "unsubscribed", lambda _: None, lambda _: None, is_once=True
        )

    def _listeners(self, name: str) -> list[Channel]:
        """The channels that get the messages of this one: itself, and patterns `a/*`."""
        segments = name.split("/")
        patterns = ["/".join(segments[:number]) + "/*" for number in range(1, len(segments))]
        return [self._channels[each] for each in (name, *patterns) if each in self._channels]

    def _stream(self, name: str) -> Stream:
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = Stream(name, self._times.gap, self)
            others = [other for other in self._streams.values() if other.name not in self._channels]
            if len(others) > REMEMBERED:
                self._forget(others[0])
        return stream

    def _forget(self, stream: Stream) -> None:
        stream.end()
        del self._streams[stream.name]

    def is_ordered(self, name: str) -> bool:
        """Tell whether a channel's messages are wanted in order."""
        return any(channel.options.recover for channel in self._listeners(name))

    def bound(self, name: str) -> int:
        """Return how many messages a recovery of a channel may bring."""
        wanted = [channel.options.recover for channel in self._listeners(name)]
        return max((each.messages if isinstance(each, Recover) else _MESSAGES for each in wanted), default=0)

    def emit_on(self, name: str, event: str, value: Any) -> None:
        """Hand an event on to a channel, and to patterns that match it."""
        for channel in self._listeners(name):
            channel.emit(event, value)

    def report_on(self, name: str, error: LoudhailerError) -> None:
        """Report an error on the same."""
        for channel in self._listeners(name):
            channel.report(error)

    def recover(self, stream: Stream, *, is_spread: bool) -> None:
        """Ask for what a channel has missed."""
        self._recovery.add(stream, is_spread=is_spread)

    async def get(self, channel: str, what: str, query: Mapping[str, Any]) -> tuple[dict[str, Any], int]:
        """GET what belongs to a channel: its JSON, and the length of its text."""
        session = self._connection.session
        if session is None or session.http_url is None:
            raise LoudhailerError("UNREACHABLE", "the session names no http_url", channel=channel, fatal=True)
        given = {name: value for name, value in query.items() if value is not None}
        name = ":".join(quote(segment, safe="@*") for segment in channel.split("/"))
        path = f"channel/{name}/{what}?{urlencode({**given, 'tenantId': session.tenant_id})}"
        headers = {"authorization": f"Bearer {session.session_id}"}
        asked = http.Request("GET", f"{session.http_url.rstrip('/')}/{path}", headers)
        response = await http.reached(asked, self._fetch, self._times.session, channel)
        return http.answer_of(response, self._parse, channel), len(response.text)

    # Frames

    def on_frame(self, frame: Any, text: str, line: Line) -> None:
        """Take in a frame; a malformed one is an error."""
        self.emit("frame", (text, False))
        try:
            if not isinstance(frame, dict):
                raise TypeError("no JSON object")  # noqa: TRY301
            self._take(frame, line)
        except (KeyError, TypeError, ValueError, AttributeError) as cause:
            self._malformed(text, cause)

    def _malformed(self, text: str, cause: Exception | None = None) -> None:
        error = LoudhailerError("MALFORMED_FRAME", f"not a frame of the service: {text[:200]}")
        error.__cause__ = cause
        self.report(error)

    def _take(self, frame: Frame, line: Line) -> None:
        error = _error_of(frame)
        if error is not None:
            self._on_error(error, line)
            return
        match frame:
            case {"queue": _}:
                self.emit("echo", frame)
            case {"message": "Too Many Requests", "requestId": request_id}:
                text = "the limit of this minute is reached"
                refusal = LoudhailerError("TOO_MANY_REQUESTS", text, request_id=request_id)
                if not self._requests.throttle(refusal):
                    self.report(refusal)
            case {"type": "broadcast"}:
                self._once("broadcast", frame["id"], frame, self)
            case {"type": "message"}:
                for message in self._checked([frame]):
                    if self._listeners(message["channel"]):
                        self._stream(message["channel"]).take(message)
            case {"type": "presence"}:
                self.emit_on(frame["channel"], "presence", frame)
            case _:
                self._requests.answer(frame, line)
                self._take_news(frame)

    def _take_news(self, frame: Frame) -> None:
        event = _ROOM_EVENTS.get(str(frame.get("action")))
        if event is not None:
            room = self._room
            if room is None or frame.get("roomKey") != room.key:
                return  # of the former room
            if event == "message":
                identity = json.dumps([frame.get(name) for name in ("connectionId", "content", "sentAt")])
                self._once(event, frame.get("messageId", identity), frame, room)
            else:
                room.emit(event, frame)
        elif "messageId" in frame and "status" not in frame:
            self._once("direct", frame["messageId"], frame, self)

    def _once(self, event: str, identity: object, frame: Frame, target: Emitter) -> None:
        """Emit a frame; while two connections overlap, it may come twice."""
        if not isinstance(identity, str):
            raise TypeError("no id")
        if self._recent[event].add(identity):
            target.emit(event, frame)

    def _on_error(self, error: LoudhailerError, line: Line) -> None:
        if error.code in _OVER:
            self.report(error)
            self._connection.leave(line)
        elif error.code in _ECHO or not self._requests.fail(error):
            self.report(error)

    def _checked(self, messages: object) -> list[Message]:
        """Return the messages that are well-formed, and report the others."""
        if not isinstance(messages, list):
            raise TypeError("no list of messages")
        checked = []
        for message in messages:
            if _is_message(message):
                checked.append(message)
            else:
                self._malformed(json.dumps(message, default=str))
        return checked


def _error_of(frame: Frame) -> LoudhailerError | None:
    """Return the error that a frame of the service, or of API Gateway, tells; None if it tells none."""
    request_id = frame.get("requestId")
    match frame:
        case {"error": {"code": code, "message": message}}:
            return LoudhailerError(code, message, request_id=request_id)
        case {"message": "Internal server error" | "Endpoint request timed out" as message, "requestId": _}:
            return LoudhailerError("TRY_AGAIN", message, request_id=request_id)
        case _:
            return None


def _is_message(value: object) -> bool:
    if not isinstance(value, dict) or not all(isinstance(value.get(name), str) for name in ("channel", "id")):
        return False
    offset = value.get("offset")
    return offset is None or (is_offset(offset) and offset > 0 and isinstance(value.get("epoch"), str))


def _closed() -> LoudhailerError:
    return LoudhailerError("CLOSED", "the client is closed")


def connect(
    get_session: GetSession,
    *,
    parse: Parse = json.loads,
    times: Times | None = None,
    dial: Dial = WebSocket,
    fetch: Fetch = http.fetch,
) -> Client:
    """Connect, and stay connected until `close`; call it in a running event loop."""
    return Client(get_session, parse=parse, times=times, dial=dial, fetch=fetch)
