"""Whatever a frame says, what handles it answers with a legal frame, or is silent where there is nothing to say."""

import json
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from functions.channels.publish_frame.publish_frame import PublishFrame
from functions.messaging.default_route.default_route import DefaultRoute
from functions.messaging.echo.delivery import ReplyDelivery
from functions.messaging.echo.echo import Echo, Tenancy
from functions.messaging.join_room.join_room import JoinRoom
from functions.messaging.send_message.direct import Direct
from functions.messaging.send_message.rooms import SendToRoom, SmallRoom
from functions.messaging.send_message.send_message import SendMessage
from loudhailer.broadcast.announcer import Announcer
from loudhailer.broadcast.publishing.counts import counts_of_channel
from loudhailer.broadcast.publishing.publisher import Publisher
from loudhailer.broadcast.publishing.short_path import ShortPath
from loudhailer.broadcast.search import PartitionSearch
from loudhailer.connections.model import Connection
from loudhailer.deadline import Deadline
from loudhailer.limits.attempts import Attempts
from loudhailer.limits.posts import PostBudget
from loudhailer.partitions.audiences import ChannelAudiences
from loudhailer.queues.consumer import Record
from loudhailer.sessions.grants import Grants
from loudhailer.sessions.model import Session
from loudhailer.websocket.exchange import Exchange, Respond, TenantResponder
from loudhailer.websocket.once import Once
from tests.support.broadcasts import ENDPOINT
from tests.support.executors import AtOnce
from tests.support.fakes.broadcast import MemoryBroadcastStore, MemoryTopic
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.delivery import MemoryOrderedSender
from tests.support.fakes.inbox import MemoryInboxStore
from tests.support.fakes.limits import MemoryLimitStore
from tests.support.fakes.partitions import MemoryPartitionStore
from tests.support.fakes.places import MemoryPlaceStore
from tests.support.fakes.queues import MemoryQueue
from tests.support.fakes.rooms import MemoryRoomStore
from tests.support.fakes.sent import MemorySentStore
from tests.support.fakes.sessions import MemorySessionStore
from tests.support.hostile_frames import ROUTES, is_legal
from tests.support.properties import examples
from tests.unit.messaging.websocket.events import CONTEXT, KEY, NOW, SESSION, TENANT, event

UNBOUND = {"messagesPerMinute": "1000000"}
FUZZ = settings(examples(40), suppress_health_check=[HealthCheck.too_slow])
ANY_FRAME = st.one_of(*ROUTES.values())


def sessions() -> MemorySessionStore:
    """The session that all frames come from."""
    store = MemorySessionStore()
    grants = Grants.from_wire({"chat/*": "p"})
    store.rows[TENANT, SESSION] = Session(TENANT, SESSION, NOW + 300, connections=frozenset({KEY}), grants=grants)
    return store


def rooms() -> MemoryRoomStore:
    """Rooms that the connection may join."""
    connections = MemoryConnectionStore()
    connections.rows[KEY] = Connection(KEY, SESSION, NOW - 100, NOW + 7_400)
    return MemoryRoomStore(connections)


def posts() -> PostBudget:
    """A budget that nothing was taken of."""
    return PostBudget(MemoryLimitStore(), session_share=1.0, clock=lambda: NOW)


def send_message() -> SendMessage:
    """Direct and room messages."""
    broadcasts = MemoryBroadcastStore()
    announce = Announcer(broadcasts, MemoryTopic(), lifetime_seconds=300, clock=lambda: NOW)
    once = Once(MemorySentStore(), clock=lambda: NOW)
    return SendMessage(
        Direct(MemoryInboxStore(), MemoryPlaceStore(), once, messages_per_inbox=1_000, lifetime_seconds=600),
        SendToRoom(
            rooms(),
            SmallRoom(rooms(), MemoryOrderedSender(), MemoryQueue(), endpoint=ENDPOINT, pause=lambda _: None),
            posts(),
            broadcasts,
            announce,
            once=once,
        ),
    )


def publish() -> PublishFrame:
    """Messages to channels that nobody is subscribed to."""
    broadcasts = MemoryBroadcastStore()
    announce = Announcer(broadcasts, MemoryTopic(), lifetime_seconds=300, clock=lambda: NOW)
    search = PartitionSearch(MemoryConnectionStore(), executor=AtOnce(), clock=lambda: NOW)
    short_path = ShortPath(search, broadcasts, MemoryQueue(), endpoint=ENDPOINT, most=100, clock=lambda: NOW)
    counts = partial(counts_of_channel, ChannelAudiences(MemoryPartitionStore(), executor=AtOnce()))
    publisher = Publisher(counts, broadcasts, announce, short_path)
    return PublishFrame(publisher, posts(), once=Once(MemorySentStore(), clock=lambda: NOW), enabled=True)


def exchange(respond: Respond) -> Callable[[Any], dict[str, Any]]:
    """A route that answers by this."""
    responder = TenantResponder(sessions(), MemoryLimitStore(), respond)
    return Exchange(lambda _: responder, clock=lambda: NOW)


def handler(route: str) -> Callable[[Any], dict[str, Any]]:
    """Return what answers the frames of a route."""
    match route:
        case "default":
            return DefaultRoute(lambda _: Attempts(sessions(), MemoryLimitStore()), clock=lambda: NOW)
        case "joinroom":
            return exchange(JoinRoom(rooms(), MemoryOrderedSender(), posts(), endpoint=ENDPOINT))
        case "publish":
            return exchange(publish())
        case _:
            return exchange(send_message())


@pytest.mark.parametrize("route", ["default", "joinroom", "publish", "sendmessage"])
@FUZZ
@given(text=ANY_FRAME)
def test_a_route_answers_any_frame(route: str, text: str) -> None:
    """With 200 and a frame that a client may get."""
    response = handler(route)(event(text, context=UNBOUND))
    assert response["statusCode"] == 200
    assert is_legal(json.loads(response["body"])) if "body" in response else route == "sendmessage"


@FUZZ
@given(text=ANY_FRAME)
def test_an_echo_answers_any_frame(text: str) -> None:
    """The sender gets one legal frame, and no record fails."""
    sender = MemoryOrderedSender()
    store, limits = sessions(), MemoryLimitStore()
    echo = Echo(
        lambda _: Tenancy(store, limits, MemoryConnectionStore()),
        ReplyDelivery(sender, lambda _: MemoryConnectionStore(), endpoint=ENDPOINT, clock=lambda: NOW),
        session_share=1.0,
        clock=lambda: NOW,
    )
    attributes = CONTEXT | UNBOUND | {"connectionId": KEY.connection_id, "requestId": "r=1"}
    record = Record("id", "group", text, attributes, 1, "queue", NOW, "1")
    assert echo({"group": [record]}, deadline=Deadline.after(5)) == {}
    ((recipient, frame),) = sender.delivered
    assert recipient == KEY.connection_id
    assert is_legal(json.loads(frame))
