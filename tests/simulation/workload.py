"""Operations of clients, operators and time in a run: a plan that a seed makes, and its execution."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from random import Random
from typing import TYPE_CHECKING, Any

from loudhailer import codec
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.ids import HUB, BroadcastId, CellName, ConnectionId, TenantId
from loudhailer.tenants.dynamodb import DynamoTenantStore
from loudhailer.tenants.model import Tenant
from tests.simulation import faults
from tests.simulation.gateway import SimulatedClient
from tests.simulation.operator import Operator
from tests.simulation.profiles import Profile
from tests.simulation.scheduler import BEGIN
from tests.support.dynamodb import engine
from tests.support.tables import TTL

if TYPE_CHECKING:
    from tests.simulation.system import SimulatedSystem

_TENANTS = ("acme", "globex")
_ROOMS = ("lobby", "attic")
_CHANNELS = ("news/*", "news/uk", "sport")
_GRANTS = '{"grants":{"news/*":"sp","sport":"s"}}'
_WISHES: tuple[Mapping[str, Any], ...] = (
    {},
    {"priority": "bulk"},
    {},
    {"priority": "express"},
    {"deadlineSeconds": 30},
)
REST_SECONDS = 9_000.0

type Arguments = Mapping[str, Any]


@dataclass(frozen=True)
class Operation:
    """Something that happens at a time, in seconds from the beginning; the number is its own in its plan."""

    at: float
    kind: str
    arguments: Arguments
    number: int = 0

    def __str__(self) -> str:
        return f"{self.at:10.3f}  {self.kind} {' '.join(f'{name}={one}' for name, one in self.arguments.items())}"


@dataclass(frozen=True)
class Plan:
    """The whole of a run but its order and its faults.

    `lanes` are the shares of a run that has lanes only, `names` those of its cells. With `connects_per_second`, clients
    are let in at that rate; 0 lets in everyone at once.
    """

    tenants: Sequence[Tenant]
    operations: Sequence[Operation]
    heals: bool
    profile: Profile
    lanes: Mapping[str, float] = field(default_factory=dict)
    names: Sequence[CellName] = (HUB,)
    connects_per_second: float = 0.0


def plan_of(seed: object, calls: int, profile: Profile) -> Plan:
    """The plan of a seed, of about so many calls."""
    plan = Planner(Random(f"plan {seed}"), calls, profile).plan()  # noqa: S311  # a run is to be repeated
    return _with_channels(plan, Random(f"channels {seed}"))  # noqa: S311  # likewise


def _with_channels(plan: Plan, random: Random) -> Plan:
    """The plan with what clients do about channels, in every third run; the other operations keep their chance."""
    if not plan.operations or random.random() < 0.67:
        return plan
    sessions = [one.arguments for one in plan.operations if one.kind == "put" and one.at == 0.0]
    connects = [one for one in plan.operations if one.kind == "connect"]
    wanted = [(random.choice((0.01, 0.01, 20.0)), "grant", session) for session in sessions]
    for connect in connects:
        at = connect.at
        for _ in range(random.choice((0, 2, 4, 8))):
            at += random.choice((0.0, 0.001, 0.3, 2.0, 30.0))
            channels = random.sample(_CHANNELS, random.choice((1, 1, 2)))
            action = random.choice(("subscribe", "subscribe", "unsubscribe"))
            frame = {"client": connect.arguments["client"], "action": action, "channels": channels}
            wanted.append((at + 0.2, "channels", frame))
    tenants = sorted({session["tenant"] for session in sessions})
    for number in range(len(connects)):
        audience = {"tenantId": random.choice(tenants), "channel": random.choice(("news/uk", "news/fr", "sport"))}
        at = random.choice(connects).at + random.choice((0.3, 1.0, 5.0, 60.0))
        wish = random.choice(_WISHES)
        wanted.append((at, "publish", {"broadcast": f"c{number}", "audience": audience, **wish}))
    wanted += _posts(connects, random)
    added = [Operation(round(at, 3), kind, arguments) for at, kind, arguments in wanted]
    numbered = [replace(one, number=len(plan.operations) + place) for place, one in enumerate(added)]
    return replace(plan, operations=sorted([*plan.operations, *numbered], key=lambda one: one.at))


def _posts(connects: Sequence[Operation], random: Random) -> Iterator[tuple[float, str, Arguments]]:
    """Yield what clients publish to channels; most repeat it under an id, from any device of the session."""
    for number in range(2 * len(connects)):
        connect = random.choice(connects)
        session = connect.arguments["session"]
        devices = [one.arguments["client"] for one in connects if one.arguments["session"] == session]
        channel = random.choice(("news/uk", "news/uk", "news/fr", "sport"))
        frame = {"client": connect.arguments["client"], "channel": channel, "number": number}
        at = connect.at + random.choice((0.3, 1.0, 5.0, 60.0))
        if random.random() < 0.2:
            yield at, "post", frame
            continue
        for _ in range(random.choice((1, 2, 4))):
            yield at, "post", {**frame, "id": f"p{number}"}
            at += random.choice((0.0, 0.05, 3.0, 20.0))
            frame["client"] = random.choice((frame["client"], random.choice(devices)))


class Planner:
    """Makes the plan of a run with one cell."""

    def __init__(self, random: Random, calls: int, profile: Profile) -> None:
        self._random = random
        self._profile = profile
        self._calls = calls
        self._clients: list[int] = []
        self._broadcasts = 0
        self._messages = 0
        self._now = 0.0

    def plan(self) -> Plan:
        """The plan."""
        random = self._random
        tenants = [
            Tenant(
                tenant_id=TenantId(name),
                tenant_connections=random.choice(self._profile.tenants),
                connections_per_session=random.choice(self._profile.devices),
                tenant_per_minute=random.choice((10, 100)),
                session_per_minute=random.choice((5, 50)),
                messages_per_minute=random.choice((5, 60)),
                session_seconds=random.choice((300, 3_600, 10_000)),
            )
            for name in _TENANTS[: random.choice((1, 1, 2))]
        ]
        self._sessions = [
            (tenant.tenant_id, f"s{number}", random.choice((None, "ann", "bob", "cid")))
            for tenant in tenants
            for number in range(random.randint(*self._profile.sessions))
        ]
        self._tenants = [tenant.tenant_id for tenant in tenants]
        pace = random.choice(self._profile.paces)
        weights = self._weights()
        kinds, shares = list(weights), list(weights.values())
        operations = [
            Operation(0.0, "put", {"tenant": tenant, "session": session, "player": player})
            for tenant, session, player in self._sessions
        ]
        next_minute = 60.0
        for _ in range(self._calls // 9):
            self._now += random.expovariate(1 / pace)
            if random.random() < self._profile.gap_share:
                if self._profile.all_leave:
                    operations += [Operation(self._now, "leave", {"client": one}) for one in self._clients]
                self._now += random.choice(self._profile.gaps)
            while self._now >= next_minute:
                operations.append(Operation(next_minute + random.random() * 5, "reconcile", {}))
                next_minute += 60.0 if self._now - next_minute < 300 else (self._now - next_minute) / 5
            kind = random.choices(kinds, shares)[0]
            operations.append(Operation(round(self._now, 3), kind, self._arguments(kind)))
        operations.sort(key=lambda one: one.at)
        numbered = [replace(operation, number=number) for number, operation in enumerate(operations)]
        return Plan(tenants, numbered, heals=random.random() < 0.4, profile=self._profile)

    def _weights(self) -> dict[str, float]:
        random = self._random
        base = {
            "connect": 10.0,
            "leave": 4.0,
            "put": 1.0,
            "delete": 0.5,
            "publish": 3.0,
            "report": 3.0,
            "cancel": 0.2,
            "redrive": 0.3,
            "join": 2.0,
            "say": 2.0,
            "tell": 3.0,
            "silo": 2.0,
            "nonsense": 0.3,
            "expire": 0.3,
            "erase": 0.02,
        }
        often = self._profile.often
        return {
            kind: weight * random.choice((0.2, 1.0, 1.0, 3.0)) * often.get(kind, 1.0) for kind, weight in base.items()
        }

    def _arguments(self, kind: str) -> Arguments:
        random = self._random
        tenant, session, player = random.choice(self._sessions)
        if kind == "connect":
            self._clients.append(len(self._clients) + 1)
            return {"client": self._clients[-1], "tenant": tenant, "session": session, "player": player}
        if kind in {"put", "delete"}:
            if random.random() < self._profile.strangers:
                player = random.choice(("ann", "bob", "cid"))
            return {"tenant": tenant, "session": session, "player": player}
        if kind in {"publish", "report", "cancel"}:
            return self._of_broadcast(kind)
        if kind == "erase":
            return {"tenant": tenant}
        return {} if kind in {"redrive", "expire"} else self._of_client(kind)

    def _of_broadcast(self, kind: str) -> Arguments:
        random = self._random
        if kind == "publish":
            self._broadcasts += random.random() < 0.9 or not self._broadcasts
            wish = _WISHES[self._broadcasts % len(_WISHES)]
            return {"broadcast": f"b{self._broadcasts}", "audience": self._audience(), **wish}
        return {"broadcast": f"b{random.randint(max(1, self._broadcasts - 3), max(1, self._broadcasts))}"}

    def _of_client(self, kind: str) -> Arguments:
        random = self._random
        clients = self._clients or [0]
        if kind == "leave":
            return {"client": random.choice(clients)}
        client = random.choice(clients[-8:])
        self._messages += 1
        match kind:
            case "join":
                return {"client": client, "room": random.choice(_ROOMS), "nickname": f"n{client}"}
            case "say":
                return {"client": client, "room": random.choice(_ROOMS), "number": self._messages, **self._id()}
            case "tell":
                to = random.choice(("ann", "bob", "cid"))
                return {"client": client, "to": to, "number": self._messages, **self._id()}
            case _:
                return {"client": client, "number": self._messages}

    def _id(self) -> dict[str, str]:
        return {"id": f"id{self._messages // 2}"} if self._random.random() < 0.3 else {}

    def _audience(self) -> dict[str, Any]:
        random = self._random
        tenant, session, player = random.choice(self._sessions)
        return random.choice(
            (
                {"all": True},
                {"tenantId": tenant},
                {"tenantId": tenant},
                {"tenantId": tenant, "roomKey": random.choice(_ROOMS)},
                {"tenantId": tenant, "playerId": player or "ann"},
                {"tenantId": tenant, "sessionId": session},
            )
        )


class Workload:
    """Carries out a plan in a system."""

    def __init__(self, system: "SimulatedSystem", plan: Plan) -> None:
        self._system = system
        self._cells = list(system.cells.values())
        self._plan = plan
        self._clients: dict[int, SimulatedClient] = {}
        self._stopped = False
        self._audiences: dict[str, Any] = {}
        self._operator = Operator(system)
        client: Any = engine.EngineClient(system.tables.carry_out)
        self._broadcasts = DynamoBroadcastStore(client, "broadcasts", clock=system.scheduler.time)
        tenants = DynamoTenantStore(client, "tenants", "cells" if system.has_cells else None)
        for tenant in plan.tenants:
            tenants.put(tenant)

    def run(self, calls: int) -> None:
        """Carry it out until so many calls are made, then bring everything to rest, and heal it if the plan says so."""
        scheduler = self._system.scheduler
        for operation in self._plan.operations:
            scheduler.at(BEGIN + operation.at, partial(self._do, operation))
        end = self._plan.operations[-1].at if self._plan.operations else 0.0
        scheduler.run(until=lambda: sum(cell.calls for cell in self._cells) >= calls, latest=BEGIN + end + 1)
        self._stopped = True
        self._system.dice.off = True
        self._bring_to_rest()
        self._operator.redrive_again()
        self._bring_to_rest()
        for cell in self._cells:
            cell.rests_since = scheduler.now
        self._report_all()
        self._look(healed=False)
        if self._plan.heals:
            self._heal()
            self._look(healed=True)

    def _look(self, *, healed: bool) -> None:
        """Check everything while nothing is under way."""
        for cell in self._cells:
            cell.watch.at_rest(healed=healed)

    def _bring_to_rest(self) -> None:
        scheduler = self._system.scheduler
        scheduler.run(until=self._is_at_rest, latest=scheduler.now + REST_SECONDS)

    def _is_at_rest(self) -> bool:
        return all(cell.is_at_rest() for cell in self._cells)

    def _report_all(self) -> None:
        for broadcast in list(self._audiences):
            self._do(Operation(0.0, "report", {"broadcast": broadcast}, -len(broadcast)), anyway=True)
        self._bring_to_rest()

    def _heal(self) -> None:
        """Let hours pass in which `reconcile` runs now and then, and nobody does anything."""
        scheduler = self._system.scheduler
        for pause in (2_600.0, 2_600.0, 2_600.0, 60.0, 60.0, 3_960.0, 60.0, 60.0, 60.0, 60.0, 60.0, 60.0):
            scheduler.run(until=lambda: False, latest=scheduler.now + pause)
            self._do(Operation(0.0, "reconcile", {}), anyway=True)
            self._do(Operation(0.0, "expire", {}), anyway=True)
            self._bring_to_rest()

    def _do(self, operation: Operation, *, anyway: bool = False) -> None:
        if self._stopped and not anyway:
            return
        key = f"{operation.kind} {operation.number}"
        self._system.scheduler.on_behalf_of(key, partial(self._carry_out, operation))

    def _carry_out(self, operation: Operation) -> None:
        self._system.say(f"--- {operation.kind} {dict(operation.arguments)}")
        if self._system.dice.strikes(faults.TIME_JUMPS):
            self._system.scheduler.jump(self._system.scheduler.random.choice(self._plan.profile.jumps))
            for cell in self._cells:
                cell.jumped()
        carry_out: Callable[..., None] = getattr(self, f"_{operation.kind}")
        carry_out(**operation.arguments)

    def _connect(self, client: int, tenant: str, session: str, player: str | None) -> None:
        connection = ConnectionId(f"c{self._system.scheduler.random.getrandbits(16):05d}{client}=")
        self._clients[client] = SimulatedClient(client, tenant, session, player, connection)
        self._system.gateway.connect(self._clients[client])

    def _leave(self, client: int) -> None:
        if client in self._clients:
            self._system.gateway.close(self._clients[client], "leaves")

    def _put(self, tenant: str, session: str, player: str | None) -> None:
        self._ask("session_api", "PUT /session", {"tenantId": tenant, "sessionId": session, "playerId": player})

    def _delete(self, tenant: str, session: str, player: str | None) -> None:
        self._ask("session_api", "DELETE /session", {"tenantId": tenant, "sessionId": session, "playerId": player})

    def _ask(self, function: str, route: str, query: Arguments, body: str | None = None) -> None:
        given = {name: value for name, value in query.items() if value is not None}
        event = {"routeKey": route, "queryStringParameters": given, "body": body}
        self._system.invoke(function, event, lambda _: None)

    def _publish(self, broadcast: str, audience: Arguments, **wish: str | int) -> None:
        audience = self._audiences.setdefault(broadcast, audience)
        body = codec.encode_text({"audience": audience, "message": broadcast, "broadcastId": broadcast, **wish})
        self._system.invoke("publish", {"requestContext": {}, "body": body}, lambda _: None)

    def _report(self, broadcast: str) -> None:
        begun = self._system.scheduler.now

        def read(answer: Any) -> None:
            if answer is not None and answer["statusCode"] == 200:
                self._system.watch.reported(broadcast, codec.decode(answer["body"]), begun)

        event = {"routeKey": "GET /broadcast/{id}", "pathParameters": {"id": broadcast}}
        self._system.invoke("session_api", event, read)

    def _cancel(self, broadcast: str) -> None:
        self._broadcasts.cancel(BroadcastId(broadcast))

    def _redrive(self) -> None:
        self._operator.redrive()

    def _expire(self) -> None:
        """Let DynamoDB delete some rows that have expired, as it does within days, in any order."""
        for cell in self._cells:
            self._expire_in(cell)

    @staticmethod
    def _expire_in(system: "SimulatedSystem") -> None:
        for kind, attribute in TTL.items():
            rows = system.tables.tables[kind].rows
            expired = [
                (first, second)
                for first, found in rows.items()
                for second, row in found.items()
                if attribute in row and int(row[attribute]["N"]) < system.scheduler.now
            ]
            for key in expired:
                if system.scheduler.random.random() < 0.5:
                    system.say(f"the time of {' '.join(key)} in {kind} is over, and DynamoDB deletes it")
                    system.tables.remove(kind, key)

    def _erase(self, tenant: str) -> None:
        self._operator.erase(TenantId(tenant))

    def _join(self, client: int, room: str, nickname: str) -> None:
        self._frame(client, {"action": "joinroom", "roomKey": room, "nickName": nickname})

    def _say(self, client: int, room: str, number: int, id: str | None = None) -> None:  # noqa: A002  # as in the plan
        frame = {"action": "sendmessage", "roomKey": room, "content": f"said {id or number}"}
        self._frame(client, frame if id is None else {**frame, "clientMessageId": id})

    def _tell(self, client: int, to: str, number: int, id: str | None = None) -> None:  # noqa: A002  # as in the plan
        frame = {"action": "sendmessage", "destinationPlayerId": to, "message": f"told {id or number}"}
        self._frame(client, frame if id is None else {**frame, "clientMessageId": id})

    def _silo(self, client: int, number: int) -> None:
        self._frame(client, {"action": "SiloSQS", "text": number})

    def _nonsense(self, client: int, number: int) -> None:  # noqa: ARG002  # every frame has a number
        self._frame(client, {"action": "fly"})

    def _grant(self, tenant: str, session: str, player: str | None) -> None:
        self._ask(
            "session_api", "PUT /session", {"tenantId": tenant, "sessionId": session, "playerId": player}, _GRANTS
        )

    def _channels(self, client: int, action: str, channels: Sequence[str]) -> None:
        self._frame(client, {"action": action, "channels": channels})

    def _post(self, client: int, channel: str, number: int, id: str | None = None) -> None:  # noqa: A002  # as in the plan
        frame = {"action": "publish", "channel": channel, "data": f"posted {number}"}
        self._frame(client, frame if id is None else {**frame, "clientMessageId": id})

    def _frame(self, client: int, frame: Arguments) -> None:
        if client in self._clients:
            self._system.gateway.frame(self._clients[client], frame)

    def _reconcile(self) -> None:
        for cell in self._cells:
            cell.invoke("reconcile", {}, lambda _: None)
            if cell.tables.tables["audiences"].rows:
                cell.invoke("reconcile-members", {}, lambda _: None)
