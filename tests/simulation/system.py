"""The simulated system of one run: its tables, queues, streams, functions and clients, and every call between them.

`call` is the one place where a function meets the rest of the system: there the next task runs, and faults strike.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from math import inf
from typing import Any

from botocore.exceptions import ReadTimeoutError

from loudhailer.aws.rows import Item
from loudhailer.errors import LoudhailerError
from loudhailer.ids import SessionId, TenantId
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

SHARDS = ("shard-0", "shard-1", "shard-2")

TIMEOUTS: Mapping[str, float] = {
    "authorizer": 10,
    "connect": 10,
    "disconnect": 10,
    "default_route": 5,
    "join_room": 10,
    "send_message": 10,
    "presence": 30,
    "relay_message": 10,
    "accounting": 30,
    "accounting-members": 30,
    "subscribe": 10,
    "leave_channels": 20,
    "swarm": 20,
    "query": 20,
    "post_message": 10,
    "post_message-express": 10,
    "settle": 20,
    "reconcile": 60,
    "reconcile-members": 60,
    "end_session": 60,
    "echo": 10,
    "publish": 10,
    "session_api": 10,
}
"""The functions' timeouts in seconds, as Terraform has them."""

_READ_FAULTS = (faults.KILLED_BEFORE, faults.LOST_REQUEST, faults.THROTTLED_CALL, faults.SLOW_CALL)
_WRITE_FAULTS = (
    *_READ_FAULTS,
    faults.KILLED_AFTER,
    faults.LOST_ANSWER,
    faults.REPEATED_CALL,
    faults.CONFLICT,
)
_ENVIRONMENTS = 2

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

    def left(self, now: float) -> float:
        """The seconds until it is killed."""
        return self.deadline - now

    def __str__(self) -> str:
        return f"{self.function} {self.number}"


class SimulatedSystem:
    """Everything of one run."""

    def __init__(self, scheduler: Scheduler, dice: Dice, sizes: Sizes) -> None:
        self.scheduler = scheduler
        self.dice = dice
        self.sizes = sizes
        self.numbers = count(1)
        self.calls = 0
        self.watch = Watch(self)
        self.trace: list[str] | None = None
        self.make: Callable[[SimulatedEnvironment], Callable[[Any, SimulatedInvocation], Any]]
        self._invocations = count(1)
        self._environments: dict[str, list[SimulatedEnvironment]] = {}
        self._sequence = count(_FIRST_SEQUENCE)
        self.running: dict[int, SimulatedInvocation] = {}
        self.commands = 0
        self.rests_since = inf
        self.tables = Engine(
            [Table(kind, keys, INDEXES.get(kind, {})) for kind, keys in KEYS.items()],
            page_size=self.scheduler.random.choice(sizes.pages),
        )
        self.tables.written = self._written
        self.queues = {queue.name: queue for queue in self._queues()}
        self.mappings = self._mappings()
        self.gateway = SimulatedGateway(self)
        self.replicas = Replicas(self)
        self.past = Past(self)

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
            return SimulatedQueue(self, name, reader=reader, visibility=60.0, retention=86_400.0, is_fifo=True, **more)

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
        ]

    def _mappings(self) -> dict[str, list[streams.Mapping]]:
        def has(image: Mapping[str, Any] | None, name: str) -> bool:
            return image is not None and name in image

        return {
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
        """Note a step, if anybody wants to read them."""
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
            for one in [one for one in self.running.values() if one.environment is invocation.environment]:
                self.kill(one)
            environments = self._environments[invocation.function]
            environments[:] = [one for one in environments if one is not invocation.environment]
            raise KilledError

    def jump(self, seconds: float) -> None:
        """Let the time jump: what runs is killed, and streams give up what is too old by then."""
        self.scheduler.jump(seconds)
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
        if idle and (len(environments) >= _ENVIRONMENTS or random.random() < 0.8):
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

    def is_at_rest(self) -> bool:
        """Tell whether nothing is at work, and nothing waits in a queue or a stream that is read."""
        return (
            not self.running
            and not self.commands
            and all(queue.is_empty() for queue in self.queues.values())
            and all(mapping.is_empty() for mappings in self.mappings.values() for mapping in mappings)
        )
