"""A simulated cell: its tables, queues, streams, functions and clients, and every call between them.

Most runs have one, the hub's. In runs of several cells each is an account of its own, and they share the time, the
faults and the trace. `call` is the one place where a function meets the rest of the system: there the next task runs,
and faults strike.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any
from zlib import crc32

from botocore.exceptions import ReadTimeoutError

from loudhailer.aws.rows import Item
from loudhailer.cells.placements.dynamodb import PLACEMENT_KEYS
from loudhailer.errors import LoudhailerError
from loudhailer.ids import HUB, CellName, SessionId, TenantId
from loudhailer.sessions.dynamodb import former_session_key, session_key
from tests.simulation import faults, streams
from tests.simulation.faults import Dice
from tests.simulation.gateway import SimulatedGateway
from tests.simulation.profiles import Sizes
from tests.simulation.queues import SimulatedQueue
from tests.simulation.scheduler import KilledError, Scheduler, Task
from tests.simulation.tables import Past, Replicas
from tests.simulation.watch import Watch
from tests.support.dynamodb.engine import Engine, Table, Write, error
from tests.support.tables import INDEXES, KEYS
from tests.support.terraform_defaults import timeouts

SHARDS = ("shard-0", "shard-1", "shard-2")

TIMEOUTS: Mapping[str, float] = timeouts()
"""The functions' timeouts in seconds, as Terraform has them."""

_READ_FAULTS = (faults.KILLED_BEFORE, faults.LOST_REQUEST, faults.THROTTLED_CALL, faults.SLOW_CALL)
_WRITE_FAULTS = (
    *_READ_FAULTS,
    faults.KILLED_AFTER,
    faults.LOST_ANSWER,
    faults.REPEATED_CALL,
    faults.CONFLICT,
)
ACCOUNTS: Mapping[CellName, str] = {HUB: "111111111111", CellName("north"): "444444444444"}
"""The AWS account of each cell."""

LEASE_SECONDS = 90
"""Largest age of a valid lease: three times the interval between two beats."""

_DAY_SECONDS = 86_400.0
_PATIENCE_SECONDS = 2.0
"""Time that a function waits for an answer of another cell."""

_FIRST_SEQUENCE = 9_980
"""Sequence number of a stream's first record: soon there is one more digit, and numbers do not compare as texts do."""


@dataclass
class SimulatedEnvironment:
    """A process that runs one function, with its caches and its clock, until it is killed."""

    system: "SimulatedSystem"
    function: str
    skew: float
    release: int
    handle: Callable[[Any, "SimulatedInvocation"], Any] = lambda _event, _invocation: None
    is_busy: bool = False

    def clock(self) -> float:
        """The time as this machine has it."""
        return self.system.scheduler.now + self.skew


@dataclass
class SimulatedInvocation:
    """One run of a function for one event; `batch` are the records of a stream, if it reads one."""

    number: int
    function: str
    event: Any
    environment: SimulatedEnvironment
    deadline: float
    begun: float
    batch: Sequence[streams.SimulatedRecord] = ()
    tasks: list[Task] = field(default_factory=list)
    is_over: bool = False
    answer: Any = None
    notes: dict[str, Any] = field(default_factory=dict)

    def seconds_left(self, now: float) -> float:
        """The seconds until it is killed."""
        return self.deadline - now

    def __str__(self) -> str:
        return f"{self.function} {self.number}"


class SimulatedSystem:
    """Everything of a cell; `cells` are those of the run, by their names."""

    def __init__(
        self,
        scheduler: Scheduler,
        dice: Dice,
        sizes: Sizes,
        *,
        name: CellName = HUB,
        names: Sequence[CellName] = (HUB,),
        hub: "SimulatedSystem | None" = None,
    ) -> None:
        self.scheduler = scheduler
        self.dice = dice
        self.sizes = sizes
        self.name = name
        self.names = names
        self.hub = hub or self
        self.cells: dict[CellName, SimulatedSystem] = {} if hub is None else hub.cells
        self.cells[name] = self
        self.connects_per_second = 0.0
        self.unanswered = 0
        self.silent_until = 0.0
        self.lost_until = 0.0
        self.numbers = count(1)
        self.calls = 0
        self.watch = Watch(self)
        self.trace: list[str] | None = None
        self.make: Callable[[SimulatedEnvironment], Callable[[Any, SimulatedInvocation], Any]]
        self._invocations: Iterator[int] = count(1) if hub is None else hub._invocations
        self._environments: dict[str, list[SimulatedEnvironment]] = {}
        self._sequence = count(_FIRST_SEQUENCE)
        self.running: dict[int, SimulatedInvocation] = {}
        self.commands: list[Task] = []
        self.rests_since = inf
        self.tables: Engine = Engine(
            [Table(kind, keys, INDEXES.get(kind, {})) for kind, keys in KEYS.items()],
            page_size=self.scheduler.random.choice(sizes.pages),
        )
        self.tables.written = self._written
        self.queues: dict[str, SimulatedQueue] = {queue.name: queue for queue in self._queues()}
        self.mappings = self._mappings()
        self.gateway: SimulatedGateway = SimulatedGateway(self)
        self.replicas: Replicas = Replicas(self)
        self.past: Past = Past(self)

    @property
    def has_cells(self) -> bool:
        """True if there are further cells."""
        return len(self.names) > 1

    @property
    def is_further(self) -> bool:
        """True for a cell that is not the hub's."""
        return self is not self.hub

    @property
    def account(self) -> str:
        """Its AWS account."""
        return ACCOUNTS[self.name]

    @property
    def websocket_url(self) -> str:
        """The URL that its clients connect to."""
        return f"wss://{self.name:0<10}.execute-api.eu-west-1.amazonaws.com/live"

    def reaches(self, other: "SimulatedSystem") -> bool:
        """Tell whether calls from here to another cell are answered now."""
        return other is self or self.scheduler.now >= max(self.silent_until, other.silent_until)

    def must_reach(self, other: "SimulatedSystem", name: str) -> None:
        """Wait for an answer of another cell in vain, and raise ReadTimeoutError, if it cannot be reached now."""
        if not self.reaches(other):
            self.calls += 1
            self.say(f"{name}: no answer from {other.name}")
            self.scheduler.sleep(_PATIENCE_SECONDS)
            raise ReadTimeoutError(endpoint_url=name)

    def delays_to(self, other: "SimulatedSystem") -> Sequence[float]:
        """The delays, in seconds, with which a message of a topic here reaches a queue of a cell: once or twice."""
        if other is self:
            return [0.0]
        silence = max(0.0, other.silent_until - self.scheduler.now)
        times = 1 + self.dice.strikes(faults.CROSSES_TWICE)
        late = [self.dice.strikes(faults.CROSSES_LATE) for _ in range(times)]
        return [silence + (self.scheduler.random.choice((1.0, 20.0, 200.0)) if each else 0.0) for each in late]

    def fall_silent(self, seconds: float) -> None:
        """Let nothing pass between this cell and others for so many seconds."""
        self.say(f"the cell {self.name} and the others do not reach each other for {seconds} s")
        self.silent_until = self.scheduler.now + seconds

    def lose(self, seconds: float) -> None:
        """Stop everything of this cell for so many seconds; its clients are disconnected."""
        self.fall_silent(seconds)
        self.say(f"the cell {self.name} is lost")
        self.lost_until = self.silent_until
        for client in list(self.gateway.clients.values()):
            self.gateway.close(client, f"is disconnected: {self.name} is lost")
        for invocation in list(self.running.values()):
            self.kill(invocation)

    def _queues(self) -> list[SimulatedQueue]:
        def work(name: str, reader: str, **more: Any) -> SimulatedQueue:
            visibility, next_queue = 6 * TIMEOUTS[reader], "undelivered"
            return SimulatedQueue(
                self,
                name,
                reader=reader,
                visibility=visibility,
                most_receives=self.sizes.receives,
                next_queue=next_queue,
                **more,
            )

        def letters(name: str, *, is_fifo: bool = False) -> SimulatedQueue:
            return SimulatedQueue(self, name, retention=1_209_600.0, is_fifo=is_fifo)

        def settled(name: str, **more: Any) -> SimulatedQueue:
            return SimulatedQueue(self, name, reader="settle", visibility=121.0, batch_size=10, window=1.0, **more)

        def fifo(name: str, reader: str, **more: Any) -> SimulatedQueue:
            visibility = 6 * TIMEOUTS[reader]
            return SimulatedQueue(
                self, name, reader=reader, visibility=visibility, retention=_DAY_SECONDS, is_fifo=True, **more
            )

        def of_cells() -> list[SimulatedQueue]:
            if self.is_further:
                beat = SimulatedQueue(self, "beat", reader="beat", visibility=120.0, retention=120.0, concurrency=2)
                return [beat, letters("report-failure")]
            requests = {"most_receives": 30, "next_queue": "forward-failure"}
            forward = [fifo(f"forward-{name}", "forward_message", **requests) for name in self.names]
            return [*forward, letters("forward-failure", is_fifo=True)] if self.has_cells else []

        return [
            work("broadcast", "swarm"),
            work("partition", "query"),
            *(work(shard, "post_message", concurrency=self.sizes.workers) for shard in SHARDS),
            work("rooms", "post_message", concurrency=2),
            work("express", "post_message-express", concurrency=2),
            settled("outcome", most_receives=5, next_queue="undelivered"),
            settled("undelivered", most_receives=20, next_queue="dead-letter"),
            letters("dead-letter"),
            letters("dead-letter-fifo", is_fifo=True),
            letters("accounting-failure"),
            letters("accounting-members-failure"),
            letters("leave-failure"),
            SimulatedQueue(
                self,
                "leave",
                reader="leave_channels",
                visibility=120.0,
                most_receives=10,
                next_queue="leave-failure",
                batch_size=10,
            ),
            letters("inbox-failure", is_fifo=True),
            SimulatedQueue(self, "disconnect", reader="disconnect", visibility=60.0, retention=7_200.0, batch_size=10),
            fifo("inbox", "relay_message", most_receives=9, next_queue="inbox-failure"),
            fifo("pool", "echo", most_receives=5, next_queue="dead-letter-fifo", batch_size=10),
            *of_cells(),
        ]

    def _mappings(self) -> dict[str, list[streams.Mapping]]:
        def has(image: Mapping[str, Any] | None, name: str) -> bool:
            return image is not None and name in image

        def is_reported(record: streams.SimulatedRecord) -> bool:
            part = record.write.key[1]
            return record.name != "REMOVE" and (part == "summary" or part.startswith(("source#", "tally#")))

        reports = streams.Mapping(
            self,
            "report",
            KEYS["broadcasts"],
            batch_size=5,
            window=1.0,
            failures="report-failure",
            oldest=_DAY_SECONDS,
            wanted=is_reported,
        )
        of_further = {"broadcasts": [reports]} if self.is_further else {}
        return {
            **of_further,
            "connections": [
                streams.Mapping(
                    self,
                    "accounting",
                    KEYS["connections"],
                    batch_size=5,
                    window=1.0,
                    failures="accounting-failure",
                ),
                streams.Mapping(
                    self,
                    "presence",
                    KEYS["connections"],
                    batch_size=5,
                    wanted=lambda record: (
                        has(record.write.new, "playerId")
                        if record.name == "INSERT"
                        else has(record.write.old, "roomKey")
                        or (record.name == "REMOVE" and has(record.write.old, "subscribes"))
                    ),
                ),
            ],
            "members": [
                streams.Mapping(
                    self,
                    "accounting-members",
                    KEYS["members"],
                    batch_size=5,
                    window=1.0,
                    failures="accounting-members-failure",
                )
            ],
            "messages": [
                streams.Mapping(
                    self, "presence", KEYS["messages"], batch_size=5, wanted=lambda record: record.name == "INSERT"
                )
            ],
            "sessions": [
                streams.Mapping(
                    self, "end_session", KEYS["sessions"], batch_size=4, wanted=lambda record: record.name == "REMOVE"
                )
            ],
        }

    def latency(self) -> float:
        """Return how long something takes: milliseconds, now and then a second."""
        chance = self.scheduler.random.random()
        if chance < 0.93:
            return 0.001 + chance * 0.02
        return 0.02 + (chance - 0.93) * 15.0

    @property
    def invocation(self) -> SimulatedInvocation | None:
        """Owner of the task that is at work."""
        task = self.scheduler.task
        return task.owner if task is not None and isinstance(task.owner, SimulatedInvocation) else None

    def say(self, text: str) -> None:
        """Note a step, if steps are printed."""
        if self.trace is not None:
            self.trace.append(f"{self.scheduler.now - 1_800_000_000:10.3f}  {self.invocation or 'system'}: {text}")

    def call(
        self,
        name: str,
        effect: Callable[[slice], Any],
        size: int = 1,
        *,
        attempts: int,
        patience: float = inf,
        reads: bool = False,
        is_transaction: bool = False,
        conflict: Callable[[], Any] | None = None,
    ) -> Any:
        """Have a call carried out; `effect` does a part of its `size` entries, and answers.

        `conflict` answers or raises what the service does if another writer is at work. The caller waits for an answer
        for so many seconds as its `patience` says.
        """
        self.calls += 1
        self._pass_time(name, self.latency(), patience)
        fault = self.dice.first_of(_READ_FAULTS if reads else _WRITE_FAULTS)
        if size > 1 and not reads and fault is None and self.dice.strikes(faults.KILLED_WITHIN):
            fault = faults.KILLED_WITHIN
        if self.trace is not None:
            self.say(f"{name}{'' if fault is None else ': ' + fault}")
        if fault is None:
            return effect(slice(0, size))
        if fault == faults.CONFLICT:
            return effect(slice(0, size)) if conflict is None else conflict()
        if fault == faults.REPEATED_CALL:
            return self._repeated(effect, size, attempts, is_transaction=is_transaction)
        return self._faulty(name, fault, effect, size, patience)

    def _pass_time(self, name: str, seconds: float, patience: float) -> None:
        """Let a call take so long; ReadTimeoutError if its caller does not wait for it, and it is lost."""
        self.scheduler.sleep(min(seconds, patience))
        if seconds > patience:
            self.unanswered += 1
            raise ReadTimeoutError(endpoint_url=name)

    def _faulty(self, name: str, fault: str, effect: Callable[[slice], Any], size: int, patience: float) -> Any:
        """The answer to a call that a fault strikes, if it ends with one."""
        match fault:
            case faults.SLOW_CALL:
                self._pass_time(name, self.scheduler.random.choice((1.0, 3.0, 8.0, 20.0)), patience)
            case faults.LOST_REQUEST:
                raise ReadTimeoutError(endpoint_url=name)
            case faults.LOST_ANSWER:
                self._carry_out(effect, size)
                raise ReadTimeoutError(endpoint_url=name)
            case faults.THROTTLED_CALL:
                raise error("ThrottlingException", name)
            case faults.KILLED_BEFORE:
                self.kill_present()
            case faults.KILLED_AFTER:
                self._carry_out(effect, size)
                self.kill_present()
            case faults.KILLED_WITHIN:
                effect(slice(0, self.scheduler.random.randrange(1, size)))
                self.kill_present()
        return effect(slice(0, size))

    def _repeated(self, effect: Callable[[slice], Any], size: int, attempts: int, *, is_transaction: bool) -> Any:
        """The second answer: the SDK repeats a call whose first answer is lost, unless its client makes one attempt.

        A transaction has a token, by which DynamoDB knows that it has carried it out.
        """
        if attempts == 1:
            return effect(slice(0, size))
        first = self._carry_out(effect, size)
        self.scheduler.sleep(self.latency())
        return first if is_transaction and first is not None else effect(slice(0, size))

    @staticmethod
    def _carry_out(effect: Callable[[slice], Any], size: int) -> Any:
        """The answer that gets lost, whatever it is."""
        try:
            return effect(slice(0, size))
        except Exception:  # noqa: BLE001  # nobody learns of it
            return None

    def kill_present(self) -> None:
        """Kill the environment whose task is at work, with its invocation; other work continues."""
        if (invocation := self.invocation) is not None:
            invocation.environment.system.kill_environment(invocation.environment)
            raise KilledError

    def kill_environment(self, environment: SimulatedEnvironment) -> None:
        """Kill an environment of this cell, with its invocation."""
        for one in [one for one in self.running.values() if one.environment is environment]:
            self.kill(one)
        environments = self._environments[environment.function]
        environments[:] = [one for one in environments if one is not environment]

    def jumped(self) -> None:
        """Take notice of a jump of the time: what runs is killed, and streams give up what is too old by then."""
        for invocation in [one for one in self.running.values() if one.deadline <= self.scheduler.now]:
            self.kill(invocation)
        for mappings in self.mappings.values():
            for mapping in mappings:
                mapping.give_up_old()

    def kill(self, invocation: SimulatedInvocation) -> None:
        """End an invocation, and its environment with it."""
        if not invocation.is_over:
            self.say(f"{invocation} is killed")
            for task in invocation.tasks:
                task.kill()
            invocation.notes["done"](None)

    def invoke(
        self,
        function: str,
        event: Any,
        done: Callable[[Any], None],
        batch: Sequence[streams.SimulatedRecord] = (),
        *,
        key: str | None = None,
    ) -> None:
        """Run a function for an event; `done` gets its answer, or None if it was killed or failed.

        The key says of what the event has come, see `Chance`.
        """
        key = key or self.scheduler.chance.child_key(function)
        self.scheduler.on_behalf_of(key, lambda: self._invoke(function, event, done, batch))

    def _invoke(
        self, function: str, event: Any, done: Callable[[Any], None], batch: Sequence[streams.SimulatedRecord]
    ) -> None:
        now = self.scheduler.now
        if now < self.lost_until:
            self.scheduler.after(1.0, lambda: done(None))
            return
        environment = self._environment(function)
        ends = now + TIMEOUTS[function]
        invocation = SimulatedInvocation(next(self._invocations), function, event, environment, ends, now, batch)
        self.running[invocation.number] = invocation

        def over(answer: Any, *, killed: bool) -> None:
            invocation.is_over, invocation.answer = True, answer
            del self.running[invocation.number]
            environment.is_busy = False
            if killed:
                self._environments[function].remove(environment)
            self.watch.invocation_over(invocation)
            self.scheduler.at(self.scheduler.now, lambda: done(answer))

        def work() -> None:
            try:
                answer = environment.handle(event, invocation)
            except LoudhailerError as failure:
                self.say(f"fails with {failure!r}")
                answer = None
            over(answer, killed=False)

        invocation.notes["done"] = lambda answer: over(answer, killed=True)
        invocation.tasks.append(self.scheduler.start(work, invocation))
        self.scheduler.at(invocation.deadline, lambda: self.kill(invocation))

    def answer_of(self, function: str, event: Any) -> Any:
        """The answer of a function that the present task invokes and waits for; None if it fails."""
        found: list[Any] = []
        go_on = self.scheduler.wait()

        def done(answer: Any) -> None:
            found.append(answer)
            go_on()

        self.invoke(function, event, done)
        while not found:
            self.scheduler.suspend()
        return found[0]

    def _environment(self, function: str) -> SimulatedEnvironment:
        environments = self._environments.setdefault(function, [])
        idle = [environment for environment in environments if not environment.is_busy]
        random = self.scheduler.random
        if idle and (len(environments) >= self.sizes.environments or random.random() < 0.8):
            found = random.choice(idle)
        else:
            skew = random.uniform(-2, 2) if self.dice.strikes(faults.CLOCK_SKEW) else 0.0
            found = SimulatedEnvironment(self, function, skew, random.randrange(2))
            found.handle = self.make(found)
            environments.append(found)
        found.is_busy = True
        return found

    def _written(self, writes: list[Write]) -> None:
        now = self.scheduler.now
        for write in writes:
            self.past.written(write)
            self.replicas.written(self.tables.tables[write.table], write)
            mappings = self.mappings.get(write.table)
            if mappings and write.old != write.new:
                record = streams.SimulatedRecord(
                    next(self._sequence), write, now, self.scheduler.chance.child_key(write.table)
                )
                self.watch.record_made(record)
                for mapping in mappings:
                    mapping.put(record)
        self.watch.written(writes, self.invocation)

    def session(self, tenant: str, session: str) -> Item | None:
        """The row of a session, under its key or under that of a former release."""
        table = self.tables.tables["sessions"]
        ids = TenantId(tenant), SessionId(session)
        return table.get(table.key(session_key(*ids))) or table.get(table.key(former_session_key(*ids)))

    def placement(self, tenant: str, name: str) -> Item | None:
        """The row of a placement, by its name: `session#<id>` or `player#<id>`."""
        key = f"{tenant}#{crc32(name.encode()) % PLACEMENT_KEYS:02d}"
        return self.hub.tables.tables["placements"].get((key, name))

    def is_at_rest(self) -> bool:
        """Tell whether nothing is at work, and nothing waits in a queue or a stream that is read."""
        return (
            not self.running
            and all(command.is_over for command in self.commands)
            and all(queue.is_empty() for queue in self.queues.values())
            and all(mapping.is_empty() for mappings in self.mappings.values() for mapping in mappings)
        )
