"""Invariants 1, 3, 4 and 5: totals, counts and partitions agree with the rows, whatever is under way."""

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

from loudhailer.connections.model import PROBE
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from loudhailer.aws.rows import Item
    from tests.simulation.streams import SimulatedRecord
    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

TOTAL = "1: total >= rows + removals not released + connects under way"
REST = "1: at rest the total is the number of rows"
COUNT = "3: count + records beyond the checkpoint = rows"
KNOWN = "4: the partition of every row is known"
ONCE = "5: each record is counted once and released once"


class Counting(Observer):
    """Keeps by differences what the rows, the records and the functions at work amount to."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._rows: Counter[str] = Counter()
        self._uncounted: Counter[str] = Counter()
        self._releasing: defaultdict[int, Counter[str]] = defaultdict(Counter)
        self._under_way: dict[int, str] = {}
        self._ahead: defaultdict[str, dict[int, SimulatedRecord]] = defaultdict(dict)
        self._in_doubt: set[str] = set()

    def was_there(self, row: "Item") -> None:
        """Count it."""
        self._rows[row["tenantId"]["S"]] += 1

    def record_made(self, record: "SimulatedRecord") -> None:
        """Count the rows, and what `accounting` has still to count."""
        if record.write.table != "connections" or not record.delta:
            return
        partition = record.write.key[0]
        tenant = _tenant(partition)
        if not _is_probe(record.write):
            self._rows[tenant] += record.delta
            self._uncounted[tenant] += record.delta < 0
        self._ahead[partition][record.sequence] = record

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each row that is one of ours."""
        for write in writes:
            match write.table:
                case "connections" if write.old is None:
                    self._connected(write, invocation)
                case "limits" if ":" not in write.key[0]:
                    self._total_changed(write, invocation)
                case "partitions":
                    self._partition_changed(write, invocation)

    def record_over(self, function: str, record: "SimulatedRecord", *, given_up: bool) -> None:
        """Check that what is acknowledged is counted."""
        partition = record.write.key[0]
        if function != "accounting" or self._ahead[partition].pop(record.sequence, None) is None:
            return
        self._uncounted[_tenant(partition)] -= _is_removal(record)
        if given_up:
            self._in_doubt.add(partition)
            return
        holds(
            that=self._row(partition) is None,
            invariant=ONCE,
            text=f"record {record.sequence} of {partition} is acknowledged and was never counted",
        )

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Forget what the function had under way: it will not come any more."""
        self._under_way.pop(invocation.number, None)
        self._releasing.pop(invocation.number, None)

    def at_rest(self, *, healed: bool) -> None:
        """Check that all counts and totals are the numbers of rows."""
        for tenant in {key for (key,) in ((found,) for found in self.system.tables.tables["tenants"].rows)}:
            self._total_covers(tenant)
        for of_tenant in self.system.tables.tables["partitions"].rows.values():
            for partition in of_tenant:
                self._count_and_records_are_the_rows(partition)
        if healed:
            self._everything_is_exact()

    def _everything_is_exact(self) -> None:
        for tenant, row in sorted(self.system.tables.tables["tenants"].rows.items()):
            if "erasing" in row[""]:
                continue  # nobody repairs what goes with the tenant
            total = self._total(tenant)
            rows = self._rows[tenant]
            holds(that=total == rows, invariant=REST, text=f"{tenant} has a total of {total} and {rows} rows")
        for of_tenant in self.system.tables.tables["partitions"].rows.values():
            for partition, row in of_tenant.items():
                holds(that="recount" not in row, invariant=COUNT, text=f"{partition} is still marked for a recount")
                counted, rows = int(row["connectionCount"]["N"]), self._size(partition)
                holds(that=counted == rows, invariant=COUNT, text=f"{partition} has a count of {counted}, {rows} rows")

    def _connected(self, write: "Write", invocation: "SimulatedInvocation | None") -> None:
        partition = write.key[0]
        holds(
            that=self._row(partition) is not None or _is_probe(write),
            invariant=KNOWN,
            text=f"{write.key[1]} is recorded in {partition}, which has no row",
        )
        if invocation is not None and not _is_probe(write):
            self._under_way.pop(invocation.number, None)
        self._total_covers(_tenant(partition))

    def _total_changed(self, write: "Write", invocation: "SimulatedInvocation | None") -> None:
        tenant = write.key[0]
        change = _number(write.new, "itemCount") - _number(write.old, "itemCount")
        if invocation is not None and change:
            if invocation.function == "connect":
                if change > 0:
                    self._under_way[invocation.number] = tenant
                else:
                    self._under_way.pop(invocation.number, None)
            elif invocation.function == "accounting":
                releasing = self._releasing[invocation.number]
                releasing[tenant] += change
                holds(
                    that=releasing[tenant] >= 0,
                    invariant=ONCE,
                    text=f"{invocation} releases {-change} of {tenant}, {-releasing[tenant]} more than it counted",
                )
        self._total_covers(tenant)

    def _partition_changed(self, write: "Write", invocation: "SimulatedInvocation | None") -> None:
        partition = write.key[1]
        if write.new is None:
            holds(
                that=not self._size(partition),
                invariant=KNOWN,
                text=f"{partition} is removed while {self._size(partition)} rows are in it",
            )
            return
        if write.old is not None and write.new["checkpoint"] != write.old["checkpoint"]:
            self._counted(partition, write.old, write.new, invocation)
        is_counted_again = write.old is not None and "recount" in write.old and "recount" not in write.new
        # Another run of `reconcile` may hold the notice of a later change that was given up, and mark it next.
        if is_counted_again and not self.system.queues["accounting-failure"].messages:
            self._in_doubt.discard(partition)
        self._count_and_records_are_the_rows(partition)

    def _counted(self, partition: str, old: "Item", new: "Item", invocation: "SimulatedInvocation | None") -> None:
        ahead, checkpoint = self._ahead[partition], int(new["checkpoint"]["S"] or 0)
        holds(
            that=checkpoint > int(old["checkpoint"]["S"] or 0),
            invariant=ONCE,
            text=f"the checkpoint of {partition} goes back: what is behind it would be counted again",
        )
        counted = [ahead.pop(sequence) for sequence in sorted(ahead) if sequence <= checkpoint]
        change = _number(new, "connectionCount") - _number(old, "connectionCount")
        expected = sum(record.delta for record in counted)
        holds(
            that=change == expected,
            invariant=ONCE,
            text=f"{partition} changes by {change}; the records up to its new checkpoint make {expected}",
        )
        closed = sum(map(_is_removal, counted))
        tenant = _tenant(partition)
        self._uncounted[tenant] -= closed
        if invocation is not None:
            self._releasing[invocation.number][tenant] += closed

    def _count_and_records_are_the_rows(self, partition: str) -> None:
        row = self._row(partition)
        if row is None or "recount" in row or partition in self._in_doubt:
            return
        ahead = sum(record.delta for record in self._ahead[partition].values())
        counted, rows = int(row["connectionCount"]["N"]), self._size(partition)
        holds(
            that=counted + ahead == rows,
            invariant=COUNT,
            text=f"{partition} has a count of {counted}, {ahead:+} in records to come, and {rows} rows",
        )

    def _total_covers(self, tenant: str) -> None:
        releasing = sum(of[tenant] for of in self._releasing.values())
        under_way = sum(of == tenant for of in self._under_way.values())
        total, rows, uncounted = self._total(tenant), self._rows[tenant], self._uncounted[tenant]
        holds(
            that=total >= rows + uncounted + releasing + under_way,
            invariant=TOTAL,
            text=f"{tenant} has a total of {total}, {rows} rows, {uncounted} removals to be counted,"
            f" {releasing} to be released, {under_way} connects under way",
        )

    def _total(self, tenant: str) -> int:
        return _number(self.system.tables.tables["limits"].get((tenant, "")), "itemCount")

    def _row(self, partition: str) -> "Item | None":
        return self.system.tables.tables["partitions"].get((_tenant(partition), partition))

    def _size(self, partition: str) -> int:
        return len(self.system.tables.tables["connections"].rows.get(partition, ()))


def _is_probe(write: "Write") -> bool:
    return write.key[1] == PROBE


def _is_removal(record: "SimulatedRecord") -> bool:
    return record.delta < 0 and not _is_probe(record.write)


def _tenant(partition: str) -> str:
    return partition.partition("#")[0]


def _number(row: "Item | None", name: str) -> int:
    return int(row[name]["N"]) if row is not None and name in row else 0
