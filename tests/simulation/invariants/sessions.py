"""Invariants 2 and 6: limits hold whenever a connection is recorded, and a session holds its own connections."""

from typing import TYPE_CHECKING

from loudhailer.connections.ends import End
from loudhailer.connections.model import PROBE, ConnectionKey
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId, tenant_of
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.gateway import SimulatedClient
    from tests.simulation.queues import SimulatedMessage, SimulatedQueue
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import EngineKey, Write

LIMITS = "2: no limit is passed when a connection is recorded"
DEAD = "2: nothing is recorded into a dead session"
HOLDS = "6: a session holds its rows, and removals under way"
RECORDED = "6: whoever is connected is recorded"
MADE = "6: only PUT makes a session"
ENDED = "6: nobody ends a session that is bound to another player"
GHOST = "6: a connection whose end is acknowledged has no row"

_SKEW_SECONDS = 5.0


class Sessions(Observer):
    """Looks at each connection that is recorded or forgotten, and at each session that is made."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._lost: set[str] = set()
        self._not_ended: set[tuple[TenantId, SessionId]] = set()
        self._recorded_at: dict[EngineKey, float] = {}

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each row that is one of ours."""
        for write in writes:
            if write.table == "connections" and write.old is None and write.new is not None and write.key[1] != PROBE:
                self._recorded_at[write.key] = self.system.scheduler.now
                self._recorded(write.new, [other for other in writes if other.table == "sessions"], invocation)
            elif write.table == "sessions" and write.old is None:
                by = "nobody" if invocation is None else invocation.function
                route = "" if invocation is None else invocation.event.get("routeKey", "")
                holds(
                    that=(by, route) == ("session_api", "PUT /session"),
                    invariant=MADE,
                    text=f"session {write.key[1]} is made by {by} {route}",
                )
            elif write.table == "sessions" and write.old is not None and write.new is None and invocation is not None:
                self._removed(write.key[1], write.old, invocation)

    def message_gone(self, queue: "SimulatedQueue", message: "SimulatedMessage", why: str) -> None:
        """Check that the row is gone of a connection whose end is acknowledged."""
        if queue.name != "disconnect" or why != "deleted":
            return
        key = End.of_body(message.body).key
        row = self.system.tables.tables["connections"].get((key.partition, key.connection_id))
        holds(
            that=row is None or self._recorded_at[key.partition, key.connection_id] > message.sent_at,
            invariant=GHOST,
            text=f"the end of {key.connection_id} is acknowledged, and it has a row",
        )

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """Check that a connection has left its session once its removal is acknowledged."""
        if function == "end_session" and given_up:
            leading, session_id = record.write.key
            self._not_ended.add((tenant_of(leading), SessionId(session_id)))
        if function != "accounting" or record.delta >= 0 or record.write.old is None or record.write.key[1] == PROBE:
            return
        key = ConnectionKey(Partition(record.write.key[0]), ConnectionId(record.write.key[1]))
        if given_up:
            self._lost.add(key.in_session())
            return
        session = self._session_of(record.write.old)
        holds(
            that=session is None or key.in_session() not in _connections(session),
            invariant=HOLDS,
            text=f"{key.connection_id} is gone, that is acknowledged, and it is in its session still",
        )

    def at_rest(self, *, healed: bool) -> None:  # noqa: ARG002  # sessions need no healing
        """Check that all sessions hold their rows and nothing else."""
        rows = self.system.tables.tables["connections"].rows
        for key, of_key in self.system.tables.tables["sessions"].rows.items():
            tenant = tenant_of(key)
            for name, session in of_key.items():
                for element in _connections(session) - self._lost:
                    number, _, connection = element.partition("#")
                    holds(
                        that=connection in rows.get(f"{tenant}#{number}", ()),
                        invariant=HOLDS,
                        text=f"{connection} is in session {name} and has no row, and nothing is under way",
                    )
        for client in self.system.gateway.clients.values():
            if client.state == "open" and not self._is_given_up(client):
                holds(
                    that=client.connection in rows.get(client.context["partition"], ()),
                    invariant=RECORDED,
                    text=f"{client} is connected as {client.connection}, which has no row",
                )

    def _is_given_up(self, client: "SimulatedClient") -> bool:
        """Tell whether nobody closes it, because the record of its session's end was given up."""
        return (client.tenant, client.context["sessionId"]) in self._not_ended

    def _removed(self, session_id: str, session: "Item", invocation: "SimulatedInvocation") -> None:
        if invocation.function != "session_api":
            return
        player, owner = invocation.event["queryStringParameters"].get("playerId"), session.get("playerId", {}).get("S")
        is_over = int(session["sessionTTL"]["N"]) <= self.system.scheduler.now + _SKEW_SECONDS
        tenant = self.system.tables.tables["tenants"].get((tenant_of(session["tenantId"]["S"]), ""))
        is_erased = tenant is None or "erasing" in tenant
        holds(
            that=player is None or owner is None or player == owner or is_over or is_erased,
            invariant=ENDED,
            text=f"session {session_id} is bound to {owner}, and {player} ends it",
        )

    def _recorded(self, row: "Item", sessions: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check the session in the same transaction: for a moment two releases may have a row of one session each."""
        tenant = row["tenantId"]["S"]
        limits = self.system.tables.tables["tenants"].get((tenant, ""))
        session = next((write.new for write in sessions), None)
        connection = row["connectionId"]["S"]
        holds(that=session is not None, invariant=DEAD, text=f"{connection} is recorded, and its session is gone")
        if session is None or limits is None:
            return
        begun, was = int(row["connectedAt"]["N"]), sessions[0].old or session
        holds(
            that=int(was["sessionTTL"]["N"]) > begun and session.get("playerId") == row.get("playerId"),
            invariant=DEAD,
            text=f"{connection} is recorded in a session that is another player's, or over",
        )
        held, most = len(_connections(session)), int(limits["connectionsPerSession"]["N"])
        holds(that=held <= most, invariant=LIMITS, text=f"a session has {held} connections of {most}")
        partitions = self.system.tables.tables["connections"].rows
        rows = sum(len(found.keys() - {PROBE}) for key, found in partitions.items() if key.startswith(f"{tenant}#"))
        most = int(limits["tenantConnections"]["N"])
        if self.system.has_cells and invocation is not None:  # its part changes: it holds as it was at the handshake
            most = int(invocation.event["requestContext"]["authorizer"]["tenantConnections"])
        holds(that=rows <= most, invariant=LIMITS, text=f"{tenant} has {rows} connections of {most}")

    def _session_of(self, row: "Item") -> "Item | None":
        return self.system.session(row["tenantId"]["S"], row["sessionId"]["S"])


def _connections(session: "Item") -> set[str]:
    return set(session.get("connectionIds", {"SS": ()})["SS"])
