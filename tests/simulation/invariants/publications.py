"""Invariants 19 to 21: a client's message is one broadcast, to a channel that its session may publish to."""

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.ids import Channel, ConnectionId, patterns_of
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

OTHERS = "19: nobody gets a message of a channel that it never subscribed to, or of another tenant"
GRANTED = "19: a client's message is to a channel that its session may publish to, and names its author"
ONCE = "20: a message that a client repeats under one id is one broadcast"
REFUSED = "20: a message that was reported as refused is no broadcast"
SENT = "21: an acknowledged message is recorded, and searched for its recipients"

PUBLISHABLE = frozenset({"news/uk", "news/fr"})
"""The channels that sessions of a run with channels have the right to publish to."""

_REMEMBERED_SECONDS = 3_590.0


class Publications(Observer):
    """Follows the messages that clients publish; each frame's data tells its message from all others."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._authors: defaultdict[str, set[str]] = defaultdict(set)
        self._patterns: defaultdict[str, set[str]] = defaultdict(set)
        self._broadcasts: dict[tuple[str, str, str], tuple[str, float]] = {}
        self._recorded: set[str] = set()
        self._published: set[str] = set()
        self._refused: set[str] = set()
        self._acknowledged: set[str] = set()

    def sent(self, client: "SimulatedClient", frame: "Mapping[str, Any]") -> None:
        """Note who publishes what, and what a client may be subscribed to from now on."""
        match frame["action"]:
            case "publish":
                self._authors[frame["data"]].add(client.connection)
            case "subscribe":
                self._patterns[client.connection].update(frame["channels"])

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each broadcast that a client's frame begins."""
        if invocation is None or invocation.function != "publish_frame":
            return
        for write in writes:
            is_summary = write.table == "broadcasts" and write.key[1] == "summary"
            if is_summary and write.old is None and write.new is not None:
                self._begun(write.key[0], write.new, invocation)

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Check that what is reported as refused was not published; an earlier attempt of a frame with an id may be."""
        if invocation.function != "publish_frame" or invocation.answer is None:
            return
        frame, body = json.loads(invocation.event["body"]), json.loads(invocation.answer.get("body", "{}"))
        code = body.get("error", {}).get("code", "TRY_AGAIN")
        if "clientMessageId" not in frame and (code != "TRY_AGAIN" or "Too Many Requests" in body.values()):
            self._refused.add(frame["data"])
            self._is_not_refused(frame["data"])

    def received(self, client: "SimulatedClient", frame: str) -> None:
        """Check an acknowledgement, and each message of a channel."""
        if frame.startswith('{"type":"published"'):
            broadcast = json.loads(frame)["id"]
            holds(
                that=broadcast in self._recorded, invariant=SENT, text=f"{client} is told of {broadcast}, which is none"
            )
            self._acknowledged.add(broadcast)
        elif frame.startswith('{"type":"message"'):
            self._message_received(client, json.loads(frame))

    def at_rest(self, *, healed: bool) -> None:
        """Check that recipients were searched for each acknowledged message, unless its rows have expired."""
        if healed:
            return
        for broadcast in self._acknowledged:
            row = self.system.tables.tables["broadcasts"].get((broadcast, "summary"))
            is_searched = row is None or "sources" in row
            holds(that=is_searched, invariant=SENT, text=f"{broadcast} is acknowledged, and was never on its way")

    def _begun(self, broadcast: str, row: "Item", invocation: "SimulatedInvocation") -> None:
        frame, request = json.loads(invocation.event["body"]), invocation.event["requestContext"]
        self._recorded.add(broadcast)
        self._published.add(frame["data"])
        self._is_not_refused(frame["data"])
        audience, caller = codec.decode(row["audience"]["S"]), request["authorizer"]
        holds(
            that=audience["channel"] in PUBLISHABLE and audience["tenantId"] == caller["tenantId"],
            invariant=GRANTED,
            text=f"{request['connectionId']} of {caller['tenantId']} publishes to {audience}",
        )
        if "clientMessageId" not in frame:
            return
        sent = (caller["tenantId"], caller.get("playerId") or caller["sessionId"], frame["clientMessageId"])
        now = self.system.scheduler.now
        before, at = self._broadcasts.setdefault(sent, (broadcast, now))
        holds(
            that=before == broadcast or now - at > _REMEMBERED_SECONDS,
            invariant=ONCE,
            text=f"{sent} is {before} and {broadcast}",
        )
        self._broadcasts[sent] = broadcast, at if before == broadcast else now

    def _is_not_refused(self, data: str) -> None:
        holds(
            that=data not in self._refused or data not in self._published,
            invariant=REFUSED,
            text=f"{data} is reported as refused, and is a broadcast",
        )

    def _message_received(self, client: "SimulatedClient", message: Any) -> None:
        patterns = self._patterns[client.connection]
        holds(
            that=not patterns.isdisjoint(patterns_of(Channel(message["channel"]))),
            invariant=OTHERS,
            text=f"{client} gets a message of {message['channel']}, and has only ever asked for {sorted(patterns)}",
        )
        if "from" not in message:
            return
        author = message["from"]["connectionId"]
        holds(
            that=author in self._authors[message["data"]],
            invariant=GRANTED,
            text=f"{message['data']} names {author} as its author, who never sent it",
        )
        tenant = self.system.gateway.clients[ConnectionId(author)].tenant
        holds(that=tenant == client.tenant, invariant=OTHERS, text=f"{client} gets a message of the tenant {tenant}")
