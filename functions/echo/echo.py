"""Answers what sessions send to the silo and to the pool, each session's in the order in which it came into the queue.

A message goes as it is to the session's other connections, and then in an envelope to all of them. It renews the
session; if that is over, or the sender is not in it, the sender is told, and nothing brings it back: a session that was
made anew under the same id is not its. Over the tenant's limit the sender alone is told.

A batch costs one count per tenant, one read per session, and the posts, which go to all connections side by side. A
record that is delivered again repeats its frames (at least once): a client tells them by a number that it puts into its
messages, which both kinds of frames carry. It is counted again too: minutes count attempts.
"""

from collections import defaultdict
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from typing import NamedTuple

from functions.echo.message import Message
from functions.echo.post import Letter, Post
from loudhailer import codec
from loudhailer.broadcast.frames import MAX_FRAME_BYTES
from loudhailer.codec import JsonText
from loudhailer.conversation.frames import CONNECTION_OVER, SESSION_OVER, error_frame, throttle_frame
from loudhailer.errors import PermanentError
from loudhailer.ids import TenantId
from loudhailer.observability import count, logger
from loudhailer.queues.consumer import Failures, Groups
from loudhailer.tenancy.model import Session, messages_of_tenant, throttled_of_session
from loudhailer.tenancy.port import LimitStore, SessionStore

FLOOD = 10
"""A session is closed when it has sent so many times its limit in a minute."""


class Tenancy(NamedTuple):
    """A tenant's sessions and limits, reached as the tenant."""

    sessions: SessionStore
    limits: LimitStore


class Echo:
    """Answers the messages of one batch."""

    def __init__(self, tenancy_of: Callable[[TenantId], Tenancy], post: Post, *, clock: Callable[[], float]) -> None:
        self._tenancy_of = tenancy_of
        self._post = post
        self._clock = clock

    def __call__(self, groups: Groups, *, ends: float) -> Failures:
        """Answers the groups' messages until `ends`, as of `time.monotonic()`; the records that failed, and why."""
        failures: dict[str, Exception] = {}
        messages: list[Message] = []
        for record in (record for records in groups.values() for record in records):
            try:
                messages.append(Message.of(record))
            except PermanentError as error:
                failures[record.message_id] = error
        letters: list[Letter] = []
        for of_tenant in _by(lambda message: message.tenant_id, messages):
            try:
                over = self._over_limit(of_tenant)
            except Exception as error:  # noqa: BLE001  # whatever it is, the other tenants go on
                failures |= {message.record.message_id: error for message in of_tenant}
                continue
            for of_session in _by(lambda message: message.session_id, of_tenant):
                try:
                    letters += self._answer(of_session, over)
                except Exception as error:  # noqa: BLE001  # whatever it is, the other sessions go on
                    failures |= {message.record.message_id: error for message in of_session}
        return {**failures, **self._post.deliver(letters, ends=ends)}

    def _over_limit(self, messages: Sequence[Message]) -> set[str]:
        """Counts a tenant's messages; the records of those that are too many."""
        tenant = messages[0].tenant_id
        limits = self._tenancy_of(tenant).limits
        counted = limits.count_in_minute(messages_of_tenant(tenant), self._now(), len(messages))
        before = counted - len(messages)
        return {
            message.record.message_id
            for number, message in enumerate(messages, before + 1)
            if number > message.messages_per_minute
        }

    def _answer(self, messages: Sequence[Message], over: Collection[str]) -> list[Letter]:
        """The frames that answer a session's messages, in their order."""
        throttled = [message for message in messages if message.record.message_id in over]
        if throttled:
            self._throttle(throttled)
        session = self._keep_alive(messages[0]) if len(throttled) < len(messages) else None
        return [letter for message in messages for letter in _letters(message, session, over)]

    def _throttle(self, messages: Sequence[Message]) -> None:
        """Counts what was refused to a session, and ends it if it floods; `end_session` closes its connections.

        The limit is all the tenant's, so it is not enough that the tenant is far over it: the session that is ended
        must itself have been refused nine times the limit. With what was let through that is ten times.
        """
        one = messages[0]
        count("MessageThrottled", len(messages))
        tenancy = self._tenancy_of(one.tenant_id)
        refused = tenancy.limits.count_in_minute(
            throttled_of_session(one.tenant_id, one.session_id), self._now(), len(messages)
        )
        if refused > (FLOOD - 1) * one.messages_per_minute and tenancy.sessions.delete(one.tenant_id, one.session_id):
            count("SessionFlooded")
            logger.warning("a session that floods is ended", tenant_id=one.tenant_id, refused=refused)

    def _keep_alive(self, message: Message) -> Session | None:
        sessions = self._tenancy_of(message.tenant_id).sessions
        return sessions.keep_alive(
            message.tenant_id, message.session_id, session_seconds=message.session_seconds, now=self._now()
        )

    def _now(self) -> int:
        return int(self._clock())


def _by[K: Hashable](key: Callable[[Message], K], messages: Iterable[Message]) -> Iterable[Sequence[Message]]:
    found: dict[K, list[Message]] = defaultdict(list)
    for message in messages:
        found[key(message)].append(message)
    return found.values()


def _letters(message: Message, session: Session | None, over: Collection[str]) -> Iterator[Letter]:
    if message.record.message_id in over:
        frame = throttle_frame(message.connection_id, message.request_id)
        yield Letter(message.connection_id, frame.encode(), message.record)
    elif session is None:
        yield _refusal(message, SESSION_OVER, "the session is over")
    elif not session.has(message.connection_id):
        yield _refusal(message, *CONNECTION_OVER)
    else:
        yield from _reply(message, session)


def _reply(message: Message, session: Session) -> Iterator[Letter]:
    try:
        codec.decode_object(message.record.body)
    except codec.NotJsonError as error:
        # The route is chosen by the frame's action, so only what the gateway and we read differently comes here.
        yield _refusal(message, error.code, f"the frame {error}")
        return
    recipients = sorted(key.connection_id for key in session.connections)
    envelopes = {
        recipient: codec.encode(
            {
                "message": codec.verbatim(JsonText(message.record.body)),
                "tenantId": message.tenant_id,
                "sessionId": message.session_id,
                "connectionId": recipient,
                "queue": message.record.queue,
            }
        )
        for recipient in recipients
    }
    if any(len(envelope) > MAX_FRAME_BYTES for envelope in envelopes.values()):
        yield _refusal(message, "TOO_LONG", f"the reply would have more than {MAX_FRAME_BYTES} bytes")
        return
    count("MessageEchoed")
    raw = message.record.body.encode()
    yield from (Letter(one, raw, message.record) for one in recipients if one != message.connection_id)
    yield from (Letter(one, envelope, message.record) for one, envelope in envelopes.items())


def _refusal(message: Message, code: str, text: str) -> Letter:
    count("MessageRefused")
    frame = error_frame(code, text, connection_id=message.connection_id, request_id=message.request_id)
    return Letter(message.connection_id, frame.encode(), message.record)
