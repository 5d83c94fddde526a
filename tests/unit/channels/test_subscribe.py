"""Frames that subscribe a connection to channels, and unsubscribe it."""

import importlib
import os
import sys
import time
from collections import Counter
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import Any
from unittest.mock import Mock, patch

import pytest

from functions.channels.subscribe.subscribe import CHANNELS_A_FRAME
from loudhailer.channels.leaving import Left, from_wire
from loudhailer.channels.model import LEFT_AGAIN_SECONDS
from loudhailer.connections.model import ConnectionKey
from loudhailer.errors import InvalidFieldError, TransientError
from loudhailer.ids import ConnectionId, Pattern, nth_partition
from loudhailer.observability import logger
from loudhailer.sessions.grants import NO_GRANTS
from tests.support.fakes.channels import MemoryMemberStore
from tests.support.lambda_environment import VARIABLES
from tests.unit.channels.channel_fixture import ACME, KEY, NEWS, NOW, SUBSCRIBER, ChannelFixture


def test_a_subscription_is_a_row_and_a_member() -> None:
    """Both live as long as the connection, which is marked: its end has to look for them."""
    clients = ChannelFixture()
    assert clients.frame("subscribe", "news/*", "sport") == {"news/*": None, "sport": None}
    subscription = clients.subscriptions.rows[SUBSCRIBER, NEWS]
    assert (subscription.number, subscription.turn, subscription.changed_at) == (0, 1, NOW)
    member = clients.members.rows[ConnectionKey(nth_partition(subscription_key(), 0), KEY.connection_id)]
    assert (member.era, member.turn) == (subscription.era, 1)
    assert (member.connected_at, member.expires_at, subscription.expires_at) == (NOW - 600, NOW + 6_900, NOW + 6_900)
    assert clients.connections.rows[KEY].subscribes
    assert [row.partition for row in clients.partitions.of(subscription_key())] == [member.key.partition]


def subscription_key() -> Any:
    """The audience of `news/*`."""
    return f"{ACME}#{NEWS}"


def test_subscribing_again_is_acknowledged_and_changes_no_place() -> None:
    """The same name twice in a frame is one."""
    clients = ChannelFixture()
    assert clients.frame("subscribe", "sport", "sport") == {"sport": None}
    before = dict(clients.members.rows)
    assert clients.frame("subscribe", "sport") == {"sport": None}
    assert clients.members.rows.keys() == before.keys()
    assert len(clients.subscriptions.rows) == 1


def test_unsubscribing_removes_the_member_at_once(counted: Counter[str]) -> None:
    """The row stays for a while, gone: a slow frame must not take its turn for the first one."""
    clients = ChannelFixture()
    clients.frame("subscribe", "sport", "news/*")
    assert clients.frame("unsubscribe", "sport") == {"sport": None}
    assert (clients.members_of("sport"), clients.members_of("news/*")) == ([], ["a="])
    row = clients.subscriptions.rows[SUBSCRIBER, Pattern("sport")]
    assert (row.is_gone, row.turn) == (True, 2)
    assert [from_wire(body) for body in clients.queue.bodies] == [Left(SUBSCRIBER, {Pattern("sport"): row.era})]
    assert (clients.queue.delays, clients.queue.groups) == ([LEFT_AGAIN_SECONDS], ["tenant:acme"])
    assert (counted["ChannelSubscribed"], counted["ChannelLeft"]) == (2, 1)


def test_a_frame_of_new_channels_waits_for_no_thread_of_its_own_pool() -> None:
    """The handler's pools subscribe to 25 new channels, which open a partition each. A deadlock fails in seconds."""
    with patch.dict(sys.modules), patch.dict(os.environ, VARIABLES):
        handler = importlib.import_module("functions.channels.subscribe.handler")
    pools: list[Executor] = []
    with patch.object(handler, "PartitionAssigner", side_effect=lambda *_, executor, **__: pools.append(executor)):
        handler.responder(Mock())
    pools.append(handler.channels)
    clients = ChannelFixture(executors=iter(pools).__next__)
    function = clients.function()
    names = [f"a/{number}" for number in range(CHANNELS_A_FRAME)]
    with ThreadPoolExecutor(1) as client:
        answer = client.submit(clients.frame, "subscribe", *names, function=function)
        try:
            assert answer.result(timeout=5) == dict.fromkeys(names)
        finally:
            for pool in pools:
                pool.shutdown(wait=False, cancel_futures=True)


def test_an_unsubscription_without_a_subscription_is_named() -> None:
    """The other channels of the frame continue."""
    clients = ChannelFixture()
    clients.frame("subscribe", "sport", "news/*")
    clients.frame("unsubscribe", "sport")
    answer = clients.frame("unsubscribe", "sport", "news/*", "chat/x")
    assert answer == {"sport": "NOT_SUBSCRIBED", "news/*": None, "chat/x": "NOT_SUBSCRIBED"}


def test_a_channel_can_be_subscribed_to_again() -> None:
    """Within the minute it is the next turn of the same era, and the member is back."""
    clients = ChannelFixture()
    for action in ("subscribe", "unsubscribe", "subscribe"):
        assert clients.frame(action, "sport") == {"sport": None}
    assert clients.members_of("sport") == ["a="]
    row = clients.subscriptions.rows[SUBSCRIBER, Pattern("sport")]
    assert (row.is_gone, row.turn) == (False, 3)


@pytest.mark.parametrize(
    "name", ["a//b", "a/b/c/d/e/f", "a/*/b", "*", "ü", "x" * 10_000, "", "room/lobby", "a#b", "a,b"]
)
def test_an_illegal_name_is_refused_and_the_others_continue(name: str) -> None:
    """The answer has its first 64 characters, by which a client finds it."""
    clients = ChannelFixture()
    for action in ("subscribe", "unsubscribe"):
        answer = clients.frame(action, name, "sport")
        assert answer == {name[:64]: "INVALID_FIELD", "sport": None}
    assert clients.members_of("sport") == []


@pytest.mark.parametrize("channels", [[], ["a"] * (CHANNELS_A_FRAME + 1), [1], [["a"]], [None]])
def test_a_frame_that_names_no_list_of_channels_changes_nothing(channels: Any) -> None:
    """Neither an empty list, nor one of too many names, nor other values."""
    clients = ChannelFixture()
    with pytest.raises(InvalidFieldError, match=r"^channels: must "):
        clients.frame("subscribe", *channels)
    assert not clients.subscriptions.rows


def test_a_channel_without_a_grant_is_refused() -> None:
    """Neither for a channel beside the granted ones, nor for a wider pattern, nor with the right to publish alone."""
    clients = ChannelFixture()
    answer = clients.frame("subscribe", "news", "news/a", "secret", "sport/*")
    assert answer == {"news": "NOT_GRANTED", "news/a": None, "secret": "NOT_GRANTED", "sport/*": "NOT_GRANTED"}
    without = ChannelFixture(grants=NO_GRANTS)
    assert without.frame("subscribe", "sport") == {"sport": "NOT_GRANTED"}
    assert not without.connections.rows[KEY].subscribes


@pytest.mark.parametrize("length", [65, 255])
def test_a_legal_name_is_answered_whole(length: int) -> None:
    """Whatever its error is: two channels may have the same beginning."""
    clients = ChannelFixture()
    long = ("b" * 60 + "/" + "x" * 128 + "/" + "y" * 128)[:length]
    assert clients.frame("subscribe", long) == {long: "NOT_GRANTED"}
    assert clients.frame("unsubscribe", long) == {long: "NOT_SUBSCRIBED"}


def test_a_client_without_its_former_grant_can_unsubscribe() -> None:
    """A client that may not subscribe any more can still unsubscribe."""
    clients = ChannelFixture()
    clients.frame("subscribe", "sport")
    clients.grants = NO_GRANTS
    assert clients.frame("unsubscribe", "sport") == {"sport": None}


def test_a_connection_has_a_limited_number_of_channels() -> None:
    """The last ones of a frame are refused, and nothing is left of them; channels that it has are acknowledged."""
    clients = ChannelFixture(limit=3)
    assert clients.frame("subscribe", "a/1", "a/2") == {"a/1": None, "a/2": None}
    answer = clients.frame("subscribe", "a/1", "a/3", "a/4", "a/5")
    assert answer == {"a/1": None, "a/3": None, "a/4": "TOO_MANY_CHANNELS", "a/5": "TOO_MANY_CHANNELS"}
    assert [clients.members_of(f"a/{number}") for number in range(1, 6)] == [["a="]] * 3 + [[]] * 2
    clients.frame("unsubscribe", "a/1")
    assert clients.frame("subscribe", "a/4") == {"a/4": None}


class Beside:
    """Stores of which one call is followed by another frame."""

    def __init__(self) -> None:
        self.after: dict[str, Any] = {}

    def __call__(self, store: Any) -> Any:
        """The store, with what comes after its calls."""
        return _Followed(store, self.after)


class _Followed:
    def __init__(self, store: Any, after: dict[str, Any]) -> None:
        self._store = store
        self._after = after

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)

        def followed(*arguments: Any, **named: Any) -> Any:
            answer = call(*arguments, **named)
            if (other := self._after.pop(name, None)) is not None:
                other()
            return answer

        return followed


def test_a_limit_ends_no_subscription_that_another_frame_has_acknowledged() -> None:
    """A frame loses the room to a second one, the client makes room, and a third one has the name before the first."""
    beside, answers = Beside(), []
    clients = ChannelFixture(limit=1, through=beside)

    def take_the_room() -> None:
        answers.append(clients.frame("subscribe", "sport"))
        beside.after["put"] = lambda: beside.after.update(of=make_room)

    def make_room() -> None:
        answers.extend([clients.frame("unsubscribe", "sport"), clients.frame("subscribe", "other")])

    beside.after["of"] = take_the_room
    assert clients.frame("subscribe", "other") == {"other": "TOO_MANY_CHANNELS"}
    assert answers == [{"sport": None}, {"sport": None}, {"other": None}]
    assert (clients.members_of("sport"), clients.members_of("other")) == ([], ["a="])


def test_frames_that_begin_the_same_name_without_room_are_both_refused() -> None:
    """A third one has taken the room after the first one looked."""
    beside, answers = Beside(), []
    clients = ChannelFixture(limit=1, through=beside)

    def take_the_room() -> None:
        answers.append(clients.frame("subscribe", "sport"))
        beside.after["begin"] = lambda: answers.append(clients.frame("subscribe", "other"))

    beside.after["of"] = take_the_room
    assert clients.frame("subscribe", "other") == {"other": "UNSUBSCRIBED"}
    assert answers == [{"sport": None}, {"other": "TOO_MANY_CHANNELS"}]
    assert (clients.members_of("sport"), clients.members_of("other")) == (["a="], [])


def test_a_subscription_that_ended_after_it_was_read_has_no_room_of_its_own() -> None:
    """A frame repeats a name; before its turn the client leaves it, and takes another one."""
    beside = Beside()
    clients = ChannelFixture(limit=1, through=beside)
    clients.frame("subscribe", "other")

    def exchange() -> None:
        assert clients.frame("unsubscribe", "other") == {"other": None}
        assert clients.frame("subscribe", "sport") == {"sport": None}

    beside.after["of"] = exchange
    assert clients.frame("subscribe", "other") == {"other": "TOO_MANY_CHANNELS"}
    assert (clients.members_of("sport"), clients.members_of("other")) == (["a="], [])


def test_a_repetition_does_not_pass_the_limit() -> None:
    """The first frame loses a race for the room, and its queue fails: its subscription stays, and is not completed."""
    beside = Beside()
    clients = ChannelFixture(limit=1, through=beside)
    beside.after["of"] = lambda: clients.frame("subscribe", "sport")
    with (
        patch.object(clients.queue, "send_all", side_effect=TransientError("throttled")),
        pytest.raises(TransientError),
    ):
        clients.frame("subscribe", "other")
    assert clients.frame("subscribe", "other") == {"other": "TOO_MANY_CHANNELS"}
    assert (clients.members_of("sport"), clients.members_of("other")) == (["a="], [])


def test_a_full_connection_costs_no_write() -> None:
    """Neither for the subscription, nor for a partition, however often it tries."""
    clients = ChannelFixture(limit=1)
    clients.frame("subscribe", "sport")
    answer = clients.frame("subscribe", "other", "sport", "news/*")
    assert answer == {"other": "TOO_MANY_CHANNELS", "sport": None, "news/*": "TOO_MANY_CHANNELS"}
    assert [pattern for _, pattern in clients.subscriptions.rows] == ["sport"]
    assert (len(clients.partitions.rows), clients.queue.bodies) == (1, [])


def test_a_tenant_opens_a_limited_number_of_new_channels_in_a_minute(counted: Counter[str]) -> None:
    """Ten for each attempt to connect; channels that have a subscriber are free."""
    clients = ChannelFixture()
    clients.tenant_per_minute = 1
    function = clients.function()
    answers = [clients.frame("subscribe", f"a/{number}", function=function) for number in range(12)]
    refused = [answer for answer in answers if set(answer.values()) == {"TRY_AGAIN"}]
    assert (len(refused), counted["NewChannelsReached"]) == (2, 2)
    other = ConnectionKey(KEY.partition, ConnectionId("b="))
    clients.connect(other)
    assert clients.frame("subscribe", "a/0", key=other, function=function) == {"a/0": None}
    clients.now += 60
    assert clients.frame("subscribe", "a/11", function=function) == {"a/11": None}


def test_refusals_that_clients_can_cause_are_not_logged() -> None:
    """Neither a reached limit, nor a channel that another frame ends and begins again: a log judges a version."""
    clients = ChannelFixture()
    clients.tenant_per_minute = 1
    with patch.object(logger, "error") as logged:
        answer = clients.frame("subscribe", *(f"a/{number}" for number in range(12)))
        with patch.object(clients.subscriptions, "leave", return_value=None):
            assert clients.frame("unsubscribe", "a/0") == {"a/0": "TRY_AGAIN"}
    assert list(answer.values()).count("TRY_AGAIN") == 2
    assert not logged.called


def test_failures_are_logged_once_for_a_frame() -> None:
    """With the first of the errors."""
    clients = ChannelFixture()
    error = TransientError("throttled")
    with (
        patch.object(logger, "error") as logged,
        patch.object(clients.members, "put", side_effect=error),
    ):
        clients.frame("subscribe", "sport", "a/1", "a/2")
    logged.assert_called_once_with("channels of a frame failed", channels=3, exc_info=error)


def test_an_unexpected_error_waits_for_the_other_channels() -> None:
    """No channel is written to behind the answer."""
    clients, put = ChannelFixture(executors=lambda: ThreadPoolExecutor(3)), []

    class Failing(MemoryMemberStore):
        def put(self, member: Any) -> bool:
            if "sport" in member.key.partition:
                raise KeyError("sport")
            time.sleep(0.05)
            put.append(member)
            return super().put(member)

    clients.members = Failing()
    with pytest.raises(KeyError):
        clients.frame("subscribe", "sport", "a/1", "a/2")
    assert len(put) == 2


def test_a_connection_that_is_over_is_refused() -> None:
    """Nothing is written for it."""
    clients = ChannelFixture()
    clients.connections.rows.clear()
    assert clients.frame("subscribe", "sport") == "CONNECTION_OVER"
    assert not clients.subscriptions.rows


def test_a_connection_that_ends_meanwhile_leaves_no_member() -> None:
    """The subscription stays for the end of the connection: another frame may be about to put its member."""

    class Ending(MemoryMemberStore):
        def put(self, member: Any) -> bool:
            clients.connections.rows.clear()
            return super().put(member)

    clients = ChannelFixture()
    clients.members = Ending()
    assert clients.frame("subscribe", "sport") == {"sport": "CONNECTION_OVER"}
    assert (clients.members_of("sport"), len(clients.subscriptions.rows)) == ([], 1)


def test_a_channel_that_fails_can_be_tried_again(counted: Counter[str]) -> None:
    """The others of the frame are acknowledged."""

    class Failing(MemoryMemberStore):
        def put(self, member: Any) -> bool:
            if "news" in member.key.partition:
                raise TransientError("throttled")
            return super().put(member)

    clients = ChannelFixture()
    clients.members = Failing()
    assert clients.frame("subscribe", "news/*", "sport") == {"news/*": "TRY_AGAIN", "sport": None}
    assert counted["ChannelRefused"] == 1
    clients.members = MemoryMemberStore()
    assert clients.frame("subscribe", "news/*") == {"news/*": None}


def test_a_subscription_keeps_its_partition_and_has_it_opened_again() -> None:
    """`reconcile` may have retired or removed it while the subscription had no member."""
    clients = ChannelFixture()
    clients.frame("subscribe", "sport")
    (partition,) = clients.partitions.rows
    clients.partitions.retire(partition, checkpoint="", at=NOW)
    clients.now += 10
    assert clients.frame("subscribe", "sport", function=clients.function()) == {"sport": None}
    assert clients.partitions.rows[partition].retired_at is None or len(clients.partitions.rows) > 1
    assert len(clients.members.rows) == 1


def test_channels_are_not_available_before_the_whole_deployment_knows_them() -> None:
    """The frame is refused as a whole, whatever it names."""
    clients = ChannelFixture()
    assert clients.frame("subscribe", "sport", function=clients.function(enabled=False)) == "NOT_YET"
    assert not clients.subscriptions.rows
