"""Invariant 10: direct messages, rooms and echoes reach their receivers in order, and nobody else."""

import json
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from loudhailer.ids import ConnectionId
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

ORDER = "10: first deliveries ascend"
LEFT = "10: when a message leaves, everyone who was there has it, or is closed, or is about to be"
LIES = "10: no message lies while its receiver is there"
REFUSED = "10: what was reported as refused was delivered to nobody"
OTHERS = "10: nobody hears what is not for them"
ACCEPTED = "10: what is acknowledged is stored"
TWICE = "10: what a client sends again under one id is one message"

_REMEMBERED_SECONDS = 3_590.0

_SKEW_SECONDS = 5.0
_LAG_SECONDS = 30.0
"""Longest lag of the index of a room's members."""


@dataclass
class _Stored:
    """A direct message: its place among all stored ones, and its receiver."""

    place: int
    at: float
    tenant: str
    player: str
    expires_at: float


@dataclass
class _Echo:
    """A frame to the pool: its place in the queue, its sender, and its receivers."""

    place: int
    at: float
    sender: "SimulatedClient"
    delivered: set[str] = field(default_factory=set)
    refused: bool = False


class Messages(Observer):
    """Keeps the stored and queued messages, and compares them with the frames of clients."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._stored: dict[str, _Stored] = {}
        self._places = 0
        self._ids: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._got: defaultdict[str, set[str]] = defaultdict(set)
        self._echoes: dict[int, _Echo] = {}
        self._requests: dict[str, _Echo] = {}
        self._last_echo: defaultdict[tuple[str, str], int] = defaultdict(int)
        self._rooms: defaultdict[str, set[str]] = defaultdict(set)
        self._in_room_since: dict[tuple[str, str], tuple[str, float]] = {}
        self._heard: defaultdict[str, set[str]] = defaultdict(set)
        self._in_large_rooms: set[str] = set()
        self._wakes_lost: set[str] = set()
        self._contents: set[str] = set()
        self._refused: set[str] = set()

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each message that is stored or deleted."""
        for write in writes:
            if write.table == "messages":
                if write.old is None and write.new is not None:
                    self._message_stored(write.key, write.new)
                elif write.new is None:
                    self._message_deleted(write.key, invocation)
            elif write.table == "connections":
                self._room_changed(write)
            elif write.table == "broadcasts" and invocation is not None and invocation.function == "send_message":
                self._in_large_rooms.add(json.loads(invocation.event["body"])["content"])

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """Note whose wake will not come."""
        if function == "presence" and given_up:
            self._wakes_lost.add(self._inbox_of(record))

    def message_sent(self, queue: "SimulatedQueue", message: "SimulatedMessage") -> None:
        """Note a message in the pool."""
        if queue.name == "pool":
            sender = self._client(message.attributes["connectionId"])
            if sender is not None:
                echo = _Echo(message.number, self.system.scheduler.now, sender)
                self._echoes[json.loads(message.body)["text"]] = echo
                self._requests[message.attributes["requestId"]] = echo
        elif queue.name == "inbox-failure":
            self._wakes_lost.add(json.loads(message.body)["inbox"])

    def message_gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        """Check that what leaves the pool has reached its session, and that a wake leaves nothing that it was for."""
        if queue.name == "inbox" and why == "deleted":
            self._nothing_lies(json.loads(message.body)["inbox"])
        if queue.name != "pool" or why != "deleted":
            return
        echo = self._echoes[json.loads(message.body)["text"]]
        if not echo.delivered:
            holds(
                that=echo.refused
                or echo.sender not in self._in_session_of(echo.sender)
                or self._is_over_the_limit(echo),
                invariant=LEFT,
                text=f"{echo.sender} is open, and got neither what it said to its session nor an error for it",
            )
            return
        for client in self._in_session_of(echo.sender):
            holds(
                that=client.connection in echo.delivered or client.opened_at > echo.at,
                invariant=LEFT,
                text=f"{client} never got the message of {echo.sender} to its session, and is open",
            )

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Check that messages to a small room have reached its members."""
        answer = invocation.answer
        if invocation.function != "send_message" or answer is None:
            return
        frame, body = json.loads(invocation.event["body"]), json.loads(answer.get("body", "{}"))
        if _is_refusal(body) and "clientMessageId" not in frame:
            content = frame.get("content", frame.get("message"))
            self._refused.add(content)
            self._is_said_to_nobody(content)
        if "roomKey" not in frame or "error" in body or _is_refusal(body):
            return
        if frame["content"] in self._in_large_rooms:  # this invocation, or an earlier one, publishes it
            return
        request = invocation.event["requestContext"]
        for (partition, connection), (room, since) in self._in_room_since.items():
            client = self._client(connection)
            is_member = room == frame["roomKey"] and _tenant(partition) == request["authorizer"]["tenantId"]
            if not is_member or client is None or client.state != "open":
                continue
            holds(
                that=since + _LAG_SECONDS > request["requestTimeEpoch"] / 1000
                or frame["content"] in self._heard[connection]
                or self._is_to_be_ended(partition, connection),
                invariant=LEFT,
                text=f"{client} never got {frame['content']}, is in the room and open, and nobody will close it",
            )

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """Check each frame that is no broadcast of the service."""
        found = json.loads(frame)
        if "type" in found:
            return
        if "srcPlayerId" in found and "sentAt" in found and "messageId" in found:
            self._direct_received(client, found)
        elif "queue" in found:
            self._echo_received(client, found["message"]["text"], "envelope", found["tenantId"])
        elif found.get("action") == "SiloSQS":
            self._echo_received(client, found["text"], "raw", client.tenant)
        elif found.get("action") in {"sendmessage", "joinroom", "leaveroom"}:
            self._room_frame_received(client, found)
        elif found.get("status") == "Message sent!" and "destinationPlayerId" in found:
            holds(
                that=found["messageId"] in self._stored,
                invariant=ACCEPTED,
                text=f"{client} gets the acknowledgement of {found['messageId']}, which was never stored",
            )
        elif "requestId" in found and (echo := self._requests.get(found["requestId"])) is not None:
            echo.refused = True
            self._not_refused_and_delivered(echo)

    def at_rest(self, *, healed: bool) -> None:
        """Check that no message waits for a connected player."""
        if healed:
            return
        for inbox in self.system.tables.tables["messages"].rows:
            self._nothing_lies(inbox)

    def _nothing_lies(self, inbox: str) -> None:
        """Check that no message waits for a connected player, unless a wake will come."""
        system = self.system
        wakes = (json.loads(message.body)["inbox"] for message in system.queues["inbox"].messages.values())
        records = (
            record for of_table in system.mappings.values() for reader in of_table for record in reader.waiting()
        )
        if inbox in self._wakes_lost or inbox in wakes or any(self._inbox_of(record) == inbox for record in records):
            return
        for name in map(_id_of, system.tables.tables["messages"].rows.get(inbox, ())):
            stored = self._stored[name]
            there = next(self._of_player(stored), None) if self._is_placed_here(inbox) else None
            holds(
                that=there is None or stored.expires_at <= system.scheduler.now + _SKEW_SECONDS,
                invariant=LIES,
                text=f"message {name} lies in {inbox}, and {there} is open",
            )

    def _message_stored(self, key: tuple[str, str], row: "Item") -> None:
        tenant, _, player = key[0].partition("#")
        now = self.system.scheduler.now
        expires_at = int(row["expiresAt"]["N"])
        name, has_moved = _id_of(key[1]), _id_of(key[1]) != key[1]
        if name not in self._stored or has_moved:
            self._places += 1
            self._stored[name] = _Stored(self._places, now, tenant, player, expires_at)
        content = json.loads(row["message"]["S"])
        self._contents.add(content)
        self._is_said_to_nobody(content)
        if " id" not in content or has_moved:
            return
        sent = (key[0], row["srcPlayerId"]["S"], content)
        before, at = self._ids.setdefault(sent, (key[1], now))
        holds(
            that=before == key[1] or now - at > _REMEMBERED_SECONDS,
            invariant=TWICE,
            text=f"{sent} is stored as {before} and as {key[1]}",
        )
        self._ids[sent] = (key[1], at if before == key[1] else now)

    def _message_deleted(self, key: tuple[str, str], invocation: "SimulatedInvocation | None") -> None:
        name = _id_of(key[1])
        stored = self._stored[name]
        now = self.system.scheduler.now
        if invocation is None or stored.expires_at <= now + 5 or invocation.function == "forward_message":
            return
        for client in self._of_player(stored):
            holds(
                that=client.opened_at > stored.at
                or name in self._got[client.connection]
                or self._is_to_be_closed(client),
                invariant=LEFT,
                text=f"message {name} is deleted; {client} is open, never got it, and nobody will close it",
            )

    def _room_changed(self, write: "Write") -> None:
        room = (write.new or {}).get("roomKey", {}).get("S")
        if room is None:
            self._in_room_since.pop(write.key, None)
            return
        self._rooms[write.key[1]].add(room)
        if self._in_room_since.get(write.key, ("", 0.0))[0] != room:
            self._in_room_since[write.key] = room, self.system.scheduler.now

    def _is_to_be_ended(self, partition: str, connection: str) -> bool:
        body = f"{partition} {connection} close"
        return any(message.body == body for message in self.system.queues["disconnect"].messages.values())

    def _is_to_be_closed(self, client: "SimulatedClient") -> bool:
        wakes = self.system.queues["inbox"].messages.values()
        return any(
            (wake := json.loads(message.body)).get("behind") and wake.get("connectionId") == client.connection
            for message in wakes
        )

    def _direct_received(self, client: "SimulatedClient", frame: Any) -> None:
        name, player = frame["messageId"], client.context.get("playerId")
        stored = self._stored.get(name)
        holds(
            that=stored is not None and (stored.tenant, stored.player) == (client.tenant, player),
            invariant=OTHERS,
            text=f"{client} of {client.tenant} and player {player} gets message {name}: {stored}",
        )
        if stored is None or name in self._got[client.connection]:
            return
        after = [
            other for other in self._got[client.connection] if other > name and self._stored[other].place > stored.place
        ]
        holds(that=not after, invariant=ORDER, text=f"{client} gets message {name} after {after}")
        self._got[client.connection].add(name)

    def _echo_received(self, client: "SimulatedClient", text: int, kind: str, tenant: str) -> None:
        echo = self._echoes[text]
        holds(
            that=(client.tenant, client.session) == (echo.sender.tenant, echo.sender.session)
            and tenant == client.tenant,
            invariant=OTHERS,
            text=f"{client} of session {client.session} hears what {echo.sender} of {echo.sender.session} said",
        )
        self._not_refused_and_delivered(echo, delivered=True)
        last = self._last_echo[client.connection, kind]
        is_first = client.connection not in echo.delivered
        if kind == "envelope":
            holds(
                that=echo.place > last or not is_first,
                invariant=ORDER,
                text=f"{client} gets what was queued as {echo.place} after {last}",
            )
            echo.delivered.add(client.connection)
        self._last_echo[client.connection, kind] = max(last, echo.place)

    def _not_refused_and_delivered(self, echo: _Echo, *, delivered: bool = False) -> None:
        holds(
            that=not (echo.refused and (delivered or echo.delivered)),
            invariant=REFUSED,
            text=f"what {echo.sender} said is reported as refused, and others have it",
        )

    def _is_over_the_limit(self, echo: _Echo) -> bool:
        """Tell whether its session sent so many frames in the minute that it gets no error for further ones."""
        limit = int(echo.sender.context["messagesPerMinute"])
        same = [
            other
            for other in self._echoes.values()
            if other.sender.session == echo.sender.session and other.at // 60 == echo.at // 60
        ]
        return len(same) > 2 * limit

    def _room_frame_received(self, client: "SimulatedClient", frame: Any) -> None:
        self._heard[client.connection].add(frame.get("content", ""))
        self._contents.add(frame.get("content", ""))
        self._is_said_to_nobody(frame.get("content", ""))
        speaker = self._client(frame["connectionId"])
        holds(
            that=speaker is not None and speaker.tenant == client.tenant,
            invariant=OTHERS,
            text=f"{client} of {client.tenant} hears {speaker}",
        )
        holds(
            that=frame["roomKey"] in self._rooms[client.connection],
            invariant=OTHERS,
            text=f"{client} hears what is said in {frame['roomKey']}, and was never in it",
        )

    def _is_said_to_nobody(self, content: str) -> None:
        holds(
            that=content not in self._refused or content not in self._contents,
            invariant=REFUSED,
            text=f"{content} is reported as refused, and others have it",
        )

    def _is_placed_here(self, inbox: str) -> bool:
        """Tell whether the player of an inbox is on this cell: messages for others are forwarded."""
        if not self.system.has_cells:
            return True
        tenant, _, player = inbox.partition("#")
        placement = self.system.placement(tenant, f"player#{player}")
        requests = self.system.hub.queues[f"forward-{self.system.name}"].messages.values()
        is_asked_for = any(json.loads(message.body)["inbox"] == inbox for message in requests)
        return (placement is None or placement["cell"]["S"] == self.system.name) and not is_asked_for

    def _of_player(self, stored: _Stored) -> "Iterator[SimulatedClient]":
        """The clients that a message is for, if they are open and recorded."""
        for client in self.system.gateway.clients.values():
            if (
                client.state == "open"
                and (client.tenant, client.context.get("playerId")) == (stored.tenant, stored.player)
                and self._has_row(client)
            ):
                yield client

    def _in_session_of(self, sender: "SimulatedClient") -> "Iterator[SimulatedClient]":
        session = self.system.session(sender.tenant, sender.context["sessionId"])
        if session is not None and int(session["sessionTTL"]["N"]) <= self.system.scheduler.now + _SKEW_SECONDS:
            return  # it is over, or seems to be to a clock: then it is deleted, and its connections are closed
        held = {element.partition("#")[2] for element in (session or {}).get("connectionIds", {"SS": ()})["SS"]}
        for client in self.system.gateway.clients.values():
            if client.state == "open" and client.connection in held and self._has_row(client):
                yield client

    def _has_row(self, client: "SimulatedClient") -> bool:
        return (
            self.system.tables.tables["connections"].get((client.context["partition"], client.connection)) is not None
        )

    def _client(self, connection: str) -> "SimulatedClient | None":
        return self.system.gateway.clients.get(ConnectionId(connection))

    @staticmethod
    def _inbox_of(record: "SimulatedRecord") -> str:
        write = record.write
        if write.table == "messages":
            return write.key[0]
        row = write.new or write.old or {}
        return f"{write.key[0].partition('#')[0]}#{row.get('playerId', {}).get('S')}"


def _id_of(sort_key: str) -> str:
    """The id of a message, without the number of its moves."""
    return sort_key.partition("#")[0]


def _is_refusal(body: Any) -> bool:
    """Tell whether the answer to a frame says that it was certainly not carried out."""
    code: str = body.get("error", {}).get("code", "TRY_AGAIN")
    return code != "TRY_AGAIN" or "Too Many Requests" in body.values()


def _tenant(partition: str) -> str:
    return partition.partition("#")[0]
