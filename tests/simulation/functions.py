"""The functions as they are shipped: the code of their handlers runs in each environment, as Lambda starts it.

A handler imports the shipped modules, except for what reaches out of the process: the time, threads, chance, the
variables of the environment, clients of AWS, the senders, the log. Stand-ins of the simulated system replace these. So
they do in the modules that wire a part of a function in its handler's place.
"""

import builtins
import importlib.util
import json
from collections.abc import Callable, Mapping
from functools import cache, partial
from types import CodeType, SimpleNamespace
from typing import Any

from functions.broadcast.swarm import swarm
from functions.connections.reconcile.sqs import SqsFailureQueue
from functions.messaging.join_room import join_room
from functions.messaging.presence import leaves
from functions.messaging.send_message import rooms
from loudhailer import ids, settings
from loudhailer.aws import batches, conditions
from loudhailer.broadcast import search
from loudhailer.broadcast.dynamodb import DynamoBroadcastStore
from loudhailer.connections.dynamodb import DynamoConnectionStore
from loudhailer.deadline import Deadline, RemainingTime
from loudhailer.delivery.lending.port import ONCE
from loudhailer.inbox import forwarding
from loudhailer.queues import sqs as queues
from loudhailer.sessions import dynamodb as sessions
from tests.simulation import tables
from tests.simulation.gateway import ENDPOINT, SimulatedSender
from tests.simulation.invariants.broadcasts import LIFETIME_SECONDS
from tests.simulation.queues import SqsClient
from tests.simulation.scheduler import TaskExecutor
from tests.simulation.system import (
    ACCOUNTS,
    LEASE_SECONDS,
    SHARDS,
    SimulatedEnvironment,
    SimulatedInvocation,
    SimulatedSystem,
)
from tests.support.checkout import module_of
from tests.support.lambda_environment import VARIABLES
from tests.support.tables import KEYS
from tools.operations import draining, erasing

_SUBSCRIBER = "222222222222"
_QUEUES = "https://queues.test/"

_WIRING = {
    "functions.messaging.forward_message.dynamodb",
    "functions.messaging.relay_message.dynamodb",
    "functions.sessions.session_api.dynamodb",
}
"""Modules that make clients for a handler."""

_NO_FAILURES: Mapping[str, Any] = {"batchItemFailures": []}
"""The answer of a queue's handler that returns nothing, as Lambda takes it."""

type StandIns = Mapping[str, Mapping[str, Any]]
"""Stand-ins for names of modules, by the modules' names."""


def wire(system: SimulatedSystem) -> None:
    """Have all cells of a system run the shipped functions, with its time and its sizes."""
    executor, sizes = TaskExecutor(system.scheduler), system.sizes
    for module, name, value in (
        (ids, "time", _Clock(system)),
        (ids, "uuid", _Ids(system)),
        (conditions, "uuid", _Ids(system)),
        (forwarding, "uuid4", _Ids(system).uuid4),
        (batches, "random", _Chance(system)),
        (sessions, "random", _Chance(system)),
        (erasing, "ThreadPoolExecutor", lambda _: executor),
        (draining, "ThreadPoolExecutor", lambda _: executor),
        (draining, "time", SimpleNamespace(time=system.scheduler.time, sleep=system.scheduler.sleep)),
        (sessions, "_SEGMENTS", 2),
        (swarm, "RECIPIENTS_A_SOURCE", sizes.recipients_a_source),
        (swarm, "PARTITIONS_A_SOURCE", sizes.partitions_a_source),
        (search, "_SMALLEST_CHUNK", 1),
        (swarm, "MAX_SOURCES_AT_ONCE", sizes.sources_at_once),
        (rooms, "SMALL_ROOM", sizes.small_room),
        (join_room, "SMALL_ROOM", sizes.small_room),
        (leaves, "SMALL_ROOM", sizes.small_room),
    ):
        setattr(module, name, value)
    makes_sessions = sessions.DynamoSessionStore.__init__
    pausing: tuple[Any, ...] = (batches.get_rows, batches.delete_rows, queues.postpone, makes_sessions)
    for function in pausing:
        function.__kwdefaults__["pause"] = system.scheduler.sleep
    for cell in system.cells.values():
        cell.make = _handle


def _handle(environment: SimulatedEnvironment) -> Callable[[Any, SimulatedInvocation], Any]:
    """Start a function: its handler, which is called with an event and an invocation."""
    stand_ins = _stand_ins(environment)

    def import_as_wired(name: str, *arguments: Any) -> Any:
        if name in _WIRING:
            return SimpleNamespace(**imported(name))
        found = stand_ins.get(name)
        return __import__(name, *arguments) if found is None else SimpleNamespace(**found)

    def imported(module: str) -> dict[str, Any]:
        namespace: dict[str, Any] = {
            "__name__": module,
            "__builtins__": {**vars(builtins), "__import__": import_as_wired},
        }
        exec(_code(module), namespace)  # noqa: S102  # a module of ours, as Lambda would import it
        return namespace

    handler = imported(_module(environment.function.partition("-")[0]))["handler"]
    return lambda event, invocation: handler(event, _Context(invocation)) or _NO_FAILURES


@cache
def _module(function: str) -> str:
    return module_of(function, "handler")


@cache
def _code(module: str) -> CodeType:
    """The code of a module; a mutant's, where one is applied."""
    spec: Any = importlib.util.find_spec(module)
    code: CodeType = spec.loader.get_code(module)
    return code


def _stand_ins(environment: SimulatedEnvironment) -> StandIns:
    system, clock = environment.system, environment.clock
    pause, monotonic = system.scheduler.sleep, system.scheduler.time
    by_chance = partial(_pause_by_chance, system)
    sqs, sender, executor = SqsClient(system, 5), SimulatedSender(system), TaskExecutor(system.scheduler)

    def client(service: str, *, attempts: int = 5, seconds: float | None = None, **_: Any) -> Any:
        return tables.client(system, attempts=attempts, seconds=seconds) if service == "dynamodb" else sqs

    def deadline(context: RemainingTime, *, reserve: float) -> Deadline:
        return Deadline.after(context.get_remaining_time_in_millis() / 1000 - reserve, monotonic)

    def identity(_: Any) -> Any:
        return SimpleNamespace(credentials=None, sqs=sqs, dynamodb=client("dynamodb", **ONCE))

    return {
        "time": {"time": clock, "monotonic": monotonic, "sleep": pause},
        "os": {"environ": _variables(environment)},
        "random": {"SystemRandom": lambda: _Chance(system)},
        "concurrent.futures": {"ThreadPoolExecutor": lambda _: executor},
        "loudhailer.settings": {"from_env": _settings},
        "loudhailer.observability": {"logger": _QUIET, "metrics": _QUIET},
        "loudhailer.aws.clients": {"client": client, "LateClient": lambda service, make=client: make(service)},
        "loudhailer.aws.other_role": {"OtherRole": partial(_Role, system)},
        "loudhailer.aws.tenant_credentials": {"ClientOf": Any, "PerTenant": lambda make, **_: _PerTenant(make, client)},
        "loudhailer.broadcast.dynamodb": {
            "DynamoBroadcastStore": lambda client, table, **options: DynamoBroadcastStore(
                client, table, pause=by_chance, **options
            )
        },
        "loudhailer.connections.dynamodb": {
            "DynamoConnectionStore": DynamoConnectionStore,
            "parse_pages_fast": lambda client: client,
        },
        "loudhailer.deadline": {"Deadline": SimpleNamespace(of=deadline)},
        "loudhailer.delivery.curl": {"CurlSender": lambda *_: sender},
        "loudhailer.delivery.ordered": {"CurlOrderedSender": lambda *_, **__: sender},
        "functions.broadcast.post_message.identity": {"identity": identity},
        "functions.messaging.presence.leaves": {"Leaves": partial(leaves.Leaves, monotonic=monotonic)},
        "functions.messaging.send_message.rooms": {
            "SendToRoom": rooms.SendToRoom,
            "SmallRoom": partial(rooms.SmallRoom, monotonic=monotonic),
        },
        "functions.connections.reconcile.sqs": {
            "SqsFailureQueue": lambda client, url: SqsFailureQueue(client, url, pause=pause)
        },
    }


def _pause_by_chance(system: SimulatedSystem, _: float) -> None:
    """A pause whose jitter is of this run's chance, so that the run repeats exactly."""
    system.scheduler.sleep(0.2 * system.scheduler.random.random())


def _variables(environment: SimulatedEnvironment) -> Mapping[str, str]:
    """The environment variables of a function; those of the older release are other ones."""
    release, sizes = environment.release, environment.system.sizes
    own = {}
    match environment.function:
        case "post_message-express":
            own = {"LEFT_QUEUE_URLS": json.dumps([_QUEUES + shard for shard in SHARDS])}
        case "accounting-members" | "reconcile-members":
            own = {
                **dict.fromkeys(("TENANTS_TABLE", "SESSIONS_TABLE", "LIMITS_TABLE"), ""),
                "PARTITIONS_TABLE": "audiences",
            }
            own |= {
                "CONNECTIONS_TABLE": "members",
                "ACCOUNTING_FAILURE_QUEUE_URL": f"{_QUEUES}accounting-members-failure",
            }
        case "leave_channels":
            own = {"DEAD_LETTER_QUEUE_URL": f"{_QUEUES}leave-failure"}
    queues = {
        "BROADCAST": "broadcast",
        "PARTITION": "partition",
        "OUTCOME": "outcome",
        "DEAD_LETTER": "dead-letter",
        "ACCOUNTING_FAILURE": "accounting-failure",
        "INBOX": "inbox",
        "ROOM": "rooms",
        "EXPRESS": "express",
        "DISCONNECT": "disconnect",
        "LEAVE": "leave",
    }
    return {
        **{name: value for name, value in VARIABLES.items() if not name.startswith(("CELL", "HUB"))},
        **{f"{table.upper()}_TABLE": table for table in KEYS if table != "cells"},
        **{f"{name}_QUEUE_URL": _QUEUES + queue for name, queue in queues.items()},
        "QUEUE_URL": f"{_QUEUES}pool",
        "SHARD_QUEUE_URLS": json.dumps([_QUEUES + shard for shard in SHARDS[: 2 + release]]),
        "BROADCAST_TOPIC_ARN": f"arn:aws:sns:eu-west-1:{environment.system.account}:broadcast",
        "UNDELIVERED_QUEUE_ARN": f"arn:aws:sqs:eu-west-1:{environment.system.account}:undelivered",
        "WEBSOCKET_URL": environment.system.websocket_url,
        "CALLBACK_ENDPOINT": ENDPOINT,
        "CHUNK_SIZE": str(sizes.chunk[release]),
        "CONNECTS_PER_SECOND": str(environment.system.connects_per_second),
        "LANE_COUNT": "2",
        "EXPRESS_RECIPIENTS": str(sizes.chunk[release]),
        "BROADCAST_KEYS": str(sizes.keys[release]),
        "CONNECTIONS_PER_PARTITION": str(sizes.partition),
        "MAX_PARTITIONS": str(sizes.partitions),
        "SESSION_SHARE": "0.5",
        "SPREAD_SESSIONS": ("false", "true")[release],
        "MESSAGE_LIFETIME_SECONDS": str(LIFETIME_SECONDS),
        "INBOX_LIFETIME_SECONDS": "3600",
        "MESSAGES_PER_INBOX": str(sizes.inbox),
        **(_variables_of_cells(environment) if environment.system.has_cells else {}),
        **own,
    }


def _variables_of_cells(environment: SimulatedEnvironment) -> Mapping[str, str]:
    """The variables that functions have only where there are further cells, as Terraform sets them."""
    system = environment.system
    weights = dict.fromkeys(system.names, 1)
    declared = {
        name: {"accountId": ACCOUNTS[name], "externalId": f"{name}-1", "region": "eu-west-1", "weight": weights[name]}
        for name in system.names[1:]
    }
    both = {
        "CELL_WEIGHTS": json.dumps(weights),
        "HOME_CONNECTIONS": "1",
        "LEASE_SECONDS": str(LEASE_SECONDS),
        "PLACEMENTS_TABLE": "placements",
        "FORWARD_QUEUE_URL": f"{_QUEUES}forward-{system.name}",
    }
    if system.is_further:
        return {
            **both,
            "CELL_NAME": system.name,
            "BEAT_QUEUE_URL": f"{_QUEUES}beat",
            "BEAT_SECONDS": "30",
            "HUB_ROLE_ARN": f"arn:aws:iam::{system.hub.account}:role/cell-{system.name}",
            "HUB_EXTERNAL_ID": f"{system.name}-1",
            "HUB_REGION": "eu-west-1",
            **{f"HUB_{table.upper()}_TABLE": table for table in ("broadcasts", "cells", "tenants")},
        }
    return {
        **both,
        **({"CELL_NAME": system.name} if environment.function == "relay_message" else {}),
        "CELLS": json.dumps(declared),
        "CELLS_TABLE": "cells",
        "CELL_ROLE_ARN": "arn:aws:iam::{accountId}:role/hub",
        "HUB_WEIGHT": "1",
        "FORWARD_QUEUES": f"{_QUEUES}forward-{{cell}}",
    }


class _Role:
    """A stand-in for `OtherRole`: the role of another cell, which its account names."""

    def __init__(self, system: SimulatedSystem, role_arn: str, external_id: str, **_: Any) -> None:
        del external_id
        self._system = system
        (self._cell,) = (cell for cell in system.cells.values() if cell.account == role_arn.split(":")[4])

    def client(self, service: str, *, attempts: int = 5, seconds: float | None = None) -> Any:
        """A client of a service in the other cell."""
        if service == "dynamodb":
            return tables.client(self._system, attempts=attempts, seconds=seconds, target=self._cell)
        return SqsClient(self._system, attempts, self._cell)


_read: dict[tuple[type, tuple[str, ...]], Any] = {}


def _settings(kind: type, variables: Mapping[str, str]) -> Any:
    """The settings, as `loudhailer.settings.from_env` reads them; read once for the same variables."""
    key = kind, tuple(variables.values())
    if key not in _read:
        _read[key] = settings.from_env(kind, variables)
    return _read[key]


class _PerTenant:
    """A stand-in for `PerTenant`: nobody needs credentials here."""

    def __init__(self, make: Callable[[Any], Any], client: Callable[..., Any]) -> None:
        self.of = cache(lambda _tenant: make(client))


class _Context:
    """Lambda's context of an invocation; the second shard is a subscriber's."""

    def __init__(self, invocation: SimulatedInvocation) -> None:
        self._invocation = invocation

    @property
    def invoked_function_arn(self) -> str:
        """The ARN of the function, in the account that it is in."""
        is_subscriber = self._invocation.event["Records"][0]["eventSourceARN"].endswith(f":{SHARDS[1]}")
        account = _SUBSCRIBER if is_subscriber else self._invocation.environment.system.account
        return f"arn:aws:lambda:eu-west-1:{account}:function:{self._invocation.function}"

    def get_remaining_time_in_millis(self) -> int:
        """The time until the invocation is killed."""
        return int(self._invocation.seconds_left(self._invocation.environment.system.scheduler.now) * 1000)


class _Quiet:
    """A stand-in for Powertools' decorators of a handler, which take half of the time of a short call."""

    def inject_lambda_context[T](self, handler: T) -> T:
        """The handler."""
        return handler

    log_metrics = inject_lambda_context


_QUIET = _Quiet()


class _Chance:
    """A stand-in for `SystemRandom`: the chance of whatever is at work."""

    def __init__(self, system: SimulatedSystem) -> None:
        self._scheduler = system.scheduler

    def __getattr__(self, name: str) -> Any:
        """The generator's method."""
        return getattr(self._scheduler.random, name)


class _Clock:
    """A stand-in for the module `time` where ids are made."""

    def __init__(self, system: SimulatedSystem) -> None:
        self._time = system.scheduler.time

    def time_ns(self) -> int:
        return int(self._time() * 1e9)


class _Ids:
    """Stand-in for the module `uuid`."""

    def __init__(self, system: SimulatedSystem) -> None:
        self._random = system.scheduler.random

    def uuid4(self) -> "_Ids":
        return self

    @property
    def hex(self) -> str:
        return f"{self._random.getrandbits(128):032x}"
