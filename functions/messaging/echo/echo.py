"""Return messages to the silo or the pool to all connections of their session, in the order of the queue.

The message is sent unchanged to the session's other connections, and then to all of them in an envelope that names the
sender. A message that looks like one of the service's own frames is refused: no client can speak for the service or for
another client. A message renews its session. If the session has expired, or the sender is no longer in it, the sender
gets an error and nothing is renewed; a session that was recreated under the same id is another session. A message over
a limit is answered to its sender alone.

Messages count for their session first, which gets at most a share of its tenant's limit, and those within it for the
tenant. A session that floods is deleted; shortly before that, its errors are no longer sent.

A batch costs one count per tenant, one count and one read per session, and the posts, which are sent to all connections
in parallel. Delivery is at least once: a record that is delivered again repeats its frames. A client recognises a
repeated frame by a number in its own messages, which both kinds of frames carry. A repeated record is not counted
again, and its result is the same: the first refused message of a minute is noted, and every later one is refused, in
whichever delivery it arrives. If its sender has left the session since, it is unknown whether others have the message:
then all connections of the session are closed, so that their clients know that they may have missed something.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from enum import Enum, auto

from functions.messaging.echo.delivery import EchoReply, ReplyDelivery
from functions.messaging.echo.message import ClientMessage
from loudhailer import codec
from loudhailer.broadcast.payload import MAX_MESSAGE_BYTES
from loudhailer.codec import JsonText
from loudhailer.connections.port import ConnectionStore
from loudhailer.deadline import Deadline
from loudhailer.errors import ErrorCode, PermanentError
from loudhailer.ids import SessionId, TenantId
from loudhailer.limits.attempts import Attempts
from loudhailer.limits.model import MinuteCounter, messages_of_tenant, minute_of, queued_of_session, share_of
from loudhailer.limits.port import LimitStore
from loudhailer.observability import count
from loudhailer.queues.consumer import Failures, Groups
from loudhailer.sessions.model import Session
from loudhailer.sessions.port import SessionStore
from loudhailer.websocket.replies import CONNECTION_OVER, SESSION_OVER, error_frame, looks_like_ours, throttle_frame

_ACTIONS = ("SiloSQS", "PooledSQS")

_ANSWERED = 2
"""Multiple of the tenant's limit up to which a session gets an error for each refused message; each error is a post."""


_MOST_REMEMBERED = 1_000


class _Ruling(Enum):
    """Result of checking a message."""

    LET_THROUGH = auto()
    REFUSED = auto()
    IGNORED = auto()
    """Refused, and the sender gets no error any more."""


class Tenancy:
    """A tenant's sessions, limits and connections, with the tenant's credentials."""

    def __init__(self, sessions: SessionStore, limits: LimitStore, connections: ConnectionStore) -> None:
        self.sessions = sessions
        self.limits = limits
        self.connections = connections
        self.attempts = Attempts(sessions, limits)
        self._noted: set[str] = set()

    def note_refusal(self, messages: Sequence[ClientMessage], rulings: Mapping[str, _Ruling]) -> None:
        """Note the first refused message of a session in a minute, before an error is sent.

        A session that is over a limit stays over it for the rest of the minute, so all later messages are refused, too.
        """
        for message in messages:
            if rulings[message.record.message_id] is not _Ruling.LET_THROUGH:
                key = _counter_of(message).key(message.sent_at)
                if key not in self._noted:
                    self.limits.refuse_from(_counter_of(message), message.sent_at, message.record.sequence)
                    if len(self._noted) >= _MOST_REMEMBERED:
                        self._noted.clear()
                    self._noted.add(key)
                return


class Echo:
    """Answers the messages of one batch; a session may use `session_share` of its tenant's limit."""

    def __init__(
        self,
        tenancy_of: Callable[[TenantId], Tenancy],
        delivery: ReplyDelivery,
        *,
        session_share: float,
        clock: Callable[[], float],
    ) -> None:
        self._tenancy_of = tenancy_of
        self._delivery = delivery
        self._session_share = session_share
        self._clock = clock

    def __call__(self, groups: Groups, *, deadline: Deadline) -> Failures:
        """Answer the groups' messages until the deadline; return the records that failed, and why."""
        failures: dict[str, Exception] = {}
        messages: list[ClientMessage] = []
        for record in (record for records in groups.values() for record in records):
            try:
                messages.append(ClientMessage.of(record))
            except PermanentError as error:
                failures[record.message_id] = error
        replies: list[EchoReply] = []
        for of_tenant in _grouped_by(lambda message: message.tenant_id, messages):
            try:
                rulings = self._check(of_tenant)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other tenants go on
                failures |= {message.record.message_id: error for message in of_tenant}
                continue
            for of_session in _grouped_by(_session_of, of_tenant):
                try:
                    replies += self._answer(of_session, rulings)
                except Exception as error:  # noqa: BLE001  # whatever it is, the other sessions go on
                    failures |= {message.record.message_id: error for message in of_session}
        return {**failures, **self._delivery.deliver(replies, deadline)}

    def _check(self, messages: Sequence[ClientMessage]) -> dict[str, _Ruling]:
        """Count a tenant's messages in the minutes in which they were sent; return each record's result.

        So a backlog does not count in the minute in which it is read.
        """
        tenancy = self._tenancy_of(messages[0].tenant_id)
        rulings: dict[str, _Ruling] = {}
        for of_minute in _grouped_by(lambda message: minute_of(message.sent_at), messages):
            within: list[ClientMessage] = []
            for of_session in _grouped_by(_session_of, of_minute):
                counted = self._counted(tenancy, of_session)
                refused_from = _refused_from(tenancy, of_session)
                for number, message in _numbered(of_session, counted):
                    limit = message.messages_per_minute
                    if not message.is_new and (refused_from is None or message.record.sequence < refused_from):
                        rulings[message.record.message_id] = _Ruling.LET_THROUGH
                    elif message.is_new and number <= share_of(limit, self._session_share):
                        within.append(message)
                    else:
                        rulings[message.record.message_id] = (
                            _Ruling.REFUSED if number <= _ANSWERED * limit else _Ruling.IGNORED
                        )
            if within:
                of_tenant = messages_of_tenant(within[0].tenant_id)
                counted = tenancy.limits.count_in_minute(of_tenant, within[0].sent_at, len(within))
                for number, message in _numbered(within, counted):
                    fits = number <= message.messages_per_minute
                    rulings[message.record.message_id] = _Ruling.LET_THROUGH if fits else _Ruling.REFUSED
            for of_session in _grouped_by(_session_of, of_minute):
                tenancy.note_refusal([each for each in of_session if each.is_new], rulings)
        return rulings

    def _counted(self, tenancy: Tenancy, messages: Sequence[ClientMessage]) -> int:
        """Count a session's messages; return the number of messages in the minute so far, or a higher number."""
        one = messages[0]
        return tenancy.attempts.count(
            one.tenant_id,
            one.session_id,
            _counter_of(one),
            limit=one.messages_per_minute,
            now=one.sent_at,
            times=_number_of_new(messages),
        )

    def _answer(self, messages: Sequence[ClientMessage], rulings: Mapping[str, _Ruling]) -> list[EchoReply]:
        """The frames that answer a session's messages, in their order."""
        let_through = sum(rulings[message.record.message_id] is _Ruling.LET_THROUGH for message in messages)
        if throttled := len(messages) - let_through:
            count("MessageThrottled", throttled)
        session = self._keep_alive(messages[0]) if let_through else None
        return [
            reply for message in messages for reply in _replies(message, session, rulings[message.record.message_id])
        ]

    def _keep_alive(self, message: ClientMessage) -> Session | None:
        sessions = self._tenancy_of(message.tenant_id).sessions
        return sessions.keep_alive(
            message.tenant_id, message.session_id, session_seconds=message.session_seconds, now=self._now()
        )

    def _now(self) -> int:
        return int(self._clock())


def _counter_of(message: ClientMessage) -> MinuteCounter:
    return queued_of_session(message.tenant_id, message.session_id)


def _refused_from(tenancy: Tenancy, messages: Sequence[ClientMessage]) -> str | None:
    """Return the session's first refused message in the minute; None if there was none, or it does not matter."""
    if all(message.is_new for message in messages):
        return None
    return tenancy.limits.refused_from(_counter_of(messages[0]), messages[0].sent_at)


def _session_of(message: ClientMessage) -> SessionId:
    return message.session_id


def _number_of_new(messages: Sequence[ClientMessage]) -> int:
    """Return the number of messages that count: each counts at its first delivery."""
    return sum(message.is_new for message in messages)


def _numbered(messages: Sequence[ClientMessage], counted: int) -> Iterator[tuple[int, ClientMessage]]:
    """Yield each message with its number in the minute; a repeated message has the number of the one before it."""
    number = counted - _number_of_new(messages)
    for message in messages:
        number += message.is_new
        yield max(number, 1), message


def _grouped_by[K: Hashable](
    key: Callable[[ClientMessage], K], messages: Iterable[ClientMessage]
) -> Iterable[Sequence[ClientMessage]]:
    found: dict[K, list[ClientMessage]] = defaultdict(list)
    for message in messages:
        found[key(message)].append(message)
    return found.values()


def _replies(message: ClientMessage, session: Session | None, ruling: _Ruling) -> Iterator[EchoReply]:
    if ruling is _Ruling.IGNORED:
        return
    if ruling is _Ruling.REFUSED:
        frame = throttle_frame(message.connection_id, message.request_id)
        yield EchoReply(message.connection_id, frame.encode(), message.record)
    elif session is not None and session.has(message.connection_id):
        yield from _echoes(message, session)
    elif message.is_new:
        yield _refusal(message, *(SESSION_OVER if session is None else CONNECTION_OVER))
    elif session is not None:
        yield from (EchoReply(key.connection_id, None, message.record, key) for key in sorted(session.connections))


def _echoes(message: ClientMessage, session: Session) -> Iterator[EchoReply]:
    try:
        frame = codec.decode_object(message.record.body)
    except codec.NotJsonError as error:
        # API Gateway chose this route by the frame's action; only a frame that it parses differently arrives here.
        yield _refusal(message, error.code, f"the frame {error}")
        return
    if field := looks_like_ours(frame, _ACTIONS):
        yield _refusal(
            message, ErrorCode.RESERVED_FIELD, f"{field} would make others take the frame for one of the service's"
        )
        return
    source: dict[str, str] = {"srcConnectionId": message.connection_id}
    if session.player_id is not None:
        source["srcPlayerId"] = session.player_id
    keys = {key.connection_id: key for key in session.connections}
    recipients = sorted(keys)
    envelopes = {
        recipient: codec.encode(
            {
                "message": codec.verbatim(JsonText(message.record.body)),
                "tenantId": message.tenant_id,
                "sessionId": message.session_id,
                "connectionId": recipient,
                "queue": message.record.queue,
                **source,
            }
        )
        for recipient in recipients
    }
    if any(len(envelope) > MAX_MESSAGE_BYTES for envelope in envelopes.values()):
        yield _refusal(message, ErrorCode.TOO_LONG, f"the reply would have more than {MAX_MESSAGE_BYTES} bytes")
        return
    count("MessageEchoed")
    raw = message.record.body.encode()
    yield from (EchoReply(one, raw, message.record, keys[one]) for one in recipients if one != message.connection_id)
    yield from (EchoReply(one, envelope, message.record, keys[one]) for one, envelope in envelopes.items())


def _refusal(message: ClientMessage, code: ErrorCode, text: str) -> EchoReply:
    count("MessageRefused")
    frame = error_frame(code, text, connection_id=message.connection_id, request_id=message.request_id)
    return EchoReply(message.connection_id, frame.encode(), message.record)
