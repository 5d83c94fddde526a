"""The mutants: where each changes the shipped code, and into which."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Mutant:
    """One change: in this module, that text becomes the other."""

    module: str
    before: str
    after: str

    @property
    def path(self) -> Path:
        """The file of the module."""
        folder = _ROOT / "shared" if self.module.startswith("loudhailer.") else _ROOT
        return folder.joinpath(*self.module.split(".")).with_suffix(".py")

    def applied_to(self, source: str) -> str:
        """The changed source; ValueError unless it contains the text exactly once."""
        if source.count(self.before) != 1:
            raise ValueError(f"{self.module} has {source.count(self.before)} times: {self.before}")
        return source.replace(self.before, self.after)


MUTANTS: Mapping[str, Mutant] = {
    "accounting/releases-before-the-checkpoint": Mutant(
        "functions.connections.accounting.accounting",
        "        settled = list(self._executor.map(settle, of_partition))\n        self._release(settled)\n",
        "        closed = {one: sum(change.delta < 0 for change in found) for one, found in of_partition.items()}\n"
        "        self._release([_Settled(one, 0, closed[one]) for one in of_partition])\n"
        "        settled = list(self._executor.map(settle, of_partition))\n",
    ),
    "accounting/fresh-with-the-equal-sign": Mutant(
        "functions.connections.accounting.accounting",
        "            fresh = [change for change in changes if seen is None or change.order > seen]",
        "            fresh = [change for change in changes if seen is None or change.order >= seen]",
    ),
    "accounting/sessions-are-forgotten-never": Mutant(
        "functions.connections.accounting.accounting",
        "            left = self._sessions.forget_all(gone)",
        "            left = set()",
    ),
    "accounting/checkpoint-is-the-first-change": Mutant(
        "functions.connections.accounting.accounting",
        "            last = max(change.order for change in fresh)",
        "            last = min(change.order for change in fresh)",
    ),
    "accounting/who-closed-is-not-taken-off": Mutant(
        "functions.connections.accounting.accounting",
        "            delta = sum(change.delta for change in fresh)",
        "            delta = sum(max(change.delta, 0) for change in fresh)",
    ),
    "accounting/what-fails-is-acknowledged": Mutant(
        "functions.connections.accounting.accounting",
        "partition=partition)\n            return _Settled(partition, is_done=False)",
        "partition=partition)\n            return _Settled(partition)",
    ),
    "accounting/a-change-of-a-row-counts": Mutant(
        "functions.connections.accounting.accounting",
        '"MODIFY": 0,',
        '"MODIFY": 1,',
    ),
    "accounting/whoever-came-is-released-too": Mutant(
        "functions.connections.accounting.accounting",
        "+= partition.closed",
        "+= partition.closed + partition.opened",
    ),
    "connect/gives-back-in-doubt": Mutant(
        "functions.connections.connect.connect",
        "            self._connections.delete(handshake.connection.key)",
        "            self._give_back(handshake.connection.tenant_id)",
    ),
    "connect/one-too-many-in-a-session": Mutant(
        "functions.connections.connect.dynamodb",
        "size(connectionIds) < :maximum",
        "size(connectionIds) <= :maximum",
    ),
    "connect/reserves-one-too-many": Mutant(
        "loudhailer.limits.dynamodb",
        '            "attribute_not_exists(itemCount) OR itemCount < :maximum",',
        '            "attribute_not_exists(itemCount) OR itemCount <= :maximum",',
    ),
    "sessions/forgetting-makes-a-session": Mutant(
        "loudhailer.sessions.dynamodb",
        '"DELETE connectionIds :gone", _EXISTS, gone',
        '"DELETE connectionIds :gone", "attribute_not_exists(nothing)", gone',
    ),
    "partitions/opening-begins-anew": Mutant(
        "loudhailer.partitions.dynamodb",
        '_IS_NEW = "attribute_not_exists(connectionCount)"',
        '_IS_NEW = "attribute_not_exists(retiredAt)"',
    ),
    "partitions/checkpoint-is-not-compared": Mutant(
        "loudhailer.partitions.dynamodb",
        '_AT_CHECKPOINT = "checkpoint = :checkpoint"',
        '_AT_CHECKPOINT = "attribute_exists(checkpoint)"',
    ),
    "partitions/assigned-before-it-is-open": Mutant(
        "loudhailer.partitions.assignment",
        "            self._store.open(opened)",
        "            self._store.open(opened[1:])",
    ),
    "query/completes-before-the-flush": Mutant(
        "functions.broadcast.query.query",
        "            outbox.flush()\n"
        "            self._complete(message, sent, source.missed_behind(sent.recipients) if sent.is_cut_short else 0)",
        "            self._complete(message, sent, source.missed_behind(sent.recipients) if sent.is_cut_short else 0)\n"
        "            outbox.flush()",
    ),
    "query/partitions-in-any-order": Mutant(
        "functions.broadcast.query.query",
        "        left = (partition for partition in sorted(partitions) if",
        "        left = (partition for partition in sorted(partitions, reverse=True) if",
    ),
    "query/takes-the-last-one-again": Mutant(
        "functions.broadcast.query.query",
        "    return [recipient for recipient in page if recipient[:2] > last]",
        "    return [recipient for recipient in page if recipient[:2] >= last]",
    ),
    "query/counts-partitions-as-recipients": Mutant(
        "functions.broadcast.query.query",
        "        self.recipients += chunk.size",
        "        self.recipients += len(chunk.recipients)",
    ),
    "swarm/leaves-empty-partitions-out": Mutant(
        "functions.broadcast.swarm.swarm",
        "        expected = {known.partition: known.count for known in counts}",
        "        expected = {known.partition: known.count for known in counts if known.count}",
    ),
    "swarm/sends-once-only": Mutant(
        "functions.broadcast.swarm.swarm",
        "            return self._broadcasts.sources(broadcast_id)[: summary.sources]",
        "            return []",
    ),
    "swarm/plans-all-in-one-group-alone": Mutant(
        "functions.broadcast.swarm.swarm",
        ("                if not self._broadcasts.fix_sources(broadcast_id, group):\n                    break"),
        ("                self._broadcasts.fix_sources(broadcast_id, group)\n                return"),
    ),
    "post/does-not-tell-who-was-delivered": Mutant(
        "functions.broadcast.post_message.post_message",
        "            self._tell(chunk, account, delivered=delivered, gone=gone)",
        "            self._tell(chunk, account, gone=gone)",
    ),
    "post/gives-up-in-silence": Mutant(
        "functions.broadcast.post_message.post_message",
        "        self._tell(chunk, account, failed=chunk.remaining, expired=expired)",
        '        count("GivenUp")',
    ),
    "post/takes-connections-in-another-order": Mutant(
        "functions.broadcast.post_message.post_message",
        "    connections = [connection for found in chunk.recipients.values() for connection in found]",
        "    connections = sorted(connection for found in chunk.recipients.values() for connection in found)[::-1]",
    ),
    "settle/acknowledges-what-it-hands-back": Mutant(
        "functions.broadcast.settle.settle",
        "                failures |= dict.fromkeys(fitting, error)",
        '                count("OutcomeFailed")',
    ),
    "broadcasts/what-is-fixed-is-put-again": Mutant(
        "loudhailer.broadcast.dynamodb",
        '_IS_NEW = "attribute_not_exists(part)"',
        '_IS_NEW = "attribute_not_exists(nothing)"',
    ),
    "reconcile/recounts-at-once": Mutant(
        "functions.connections.reconcile.reconcile",
        "SETTLED_SECONDS = 3_900",
        "SETTLED_SECONDS = 0",
    ),
    "relay/newest-first": Mutant(
        "functions.messaging.relay_message.relay_message",
        ("            for message in messages\n        ]"),
        ("            for message in messages[::-1]\n        ]"),
    ),
    "presence/one-wake-in-five-minutes": Mutant(
        "functions.messaging.presence.wakes",
        "wake.to_message(event_id) for",
        'wake.to_message("wake") for',
    ),
    "echo/those-behind-a-failed-one-go-on": Mutant(
        "loudhailer.queues.consumer",
        "                blocked = not isinstance(error, PermanentError)",
        "                blocked = False",
    ),
    "consumer/what-fails-is-acknowledged": Mutant(
        "loudhailer.queues.consumer",
        ("exc_info=error)\n        return False"),
        ("exc_info=error)\n        return True"),
    ),
    "once/each-attempt-is-another-message": Mutant(
        "loudhailer.websocket.once",
        "        first = replace(caller, request_id=sent.request_id, received_at=sent.received_at)",
        "        first = replace(caller, received_at=sent.received_at)",
    ),
    "end-session/believes-a-410-of-a-young-one": Mutant(
        "functions.sessions.end_session.end_session",
        "        over = {*closing.closed, *closing.gone} - self._young(closing.gone)",
        "        over = {*closing.closed, *closing.gone}",
    ),
    "report/tallies-after-chunks": Mutant(
        "loudhailer.broadcast.report",
        "    return summary, summarise(summary, sources, dispatched, tallies)",
        "    return summary, summarise(summary, sources, dispatched, broadcasts.tallies(broadcast_id))",
    ),
    "accounting/releases-probes": Mutant(
        "functions.connections.accounting.accounting",
        "                closed = sum(change.delta < 0 and not change.is_probe for change in fresh)",
        "                closed = sum(change.delta < 0 for change in fresh)",
    ),
    "totals/lowers-before-the-probes": Mutant(
        "functions.connections.reconcile.totals",
        "        elif all(row.probe == inquiry.probe for row in counts):",
        "        elif counts:",
    ),
    "connect/records-no-device": Mutant(
        "functions.connections.connect.dynamodb",
        '            devices = [{"Put": {"TableName": self._devices_table, "Item": device}}]',
        '            devices = [{"Put": {"TableName": self._devices_table, "Item": device}}][1:]',
    ),
    "relay/forgets-devices-that-stand": Mutant(
        "functions.messaging.relay_message.relay_message",
        "            gone = (key.connection_id for key in known if key not in standing)",
        "            gone = (key.connection_id for key in known[1:])",
    ),
    "settle/credits-whoever-tells-again": Mutant(
        "loudhailer.broadcast.model",
        "        if news := (delivered & ~self.delivered).bit_count():",
        "        if news := outcome.delivered.bit_count():",
    ),
    "settle/failed-outlasts-delivered": Mutant(
        "loudhailer.broadcast.model",
        "        delivered = self.delivered | outcome.delivered\n",
        "        delivered = self.delivered | (outcome.delivered & ~self.failed)\n",
    ),
    "settle/delivered-is-gone-too": Mutant(
        "loudhailer.broadcast.model",
        "        gone = (self.gone | outcome.gone) & ~delivered",
        "        gone = self.gone | outcome.gone",
    ),
    "broadcasts/a-tally-is-replaced-unread": Mutant(
        "loudhailer.broadcast.dynamodb",
        "        condition = _IS_NEW\n        if old is not None:\n            condition =",
        '        condition = "attribute_not_exists(nothing)"\n        if old is not None:\n            _ =',
    ),
    "relay/deletes-before-the-one-behind-is-noted": Mutant(
        "functions.messaging.relay_message.relay_message",
        (
            "            self._leave_behind(posted.behind, wake, wake_id)\n"
            "            left |= posted.behind\n"
            "            self._inboxes.delete(messages[: posted.done])"
        ),
        (
            "            self._inboxes.delete(messages[: posted.done])\n"
            "            self._leave_behind(posted.behind, wake, wake_id)\n"
            "            left |= posted.behind"
        ),
    ),
    "totals/forgets-what-is-reserved-meanwhile": Mutant(
        "functions.connections.reconcile.totals",
        "    return total.count - rows - (total.reserved - inquiry.reserved)",
        "    return total.count - rows",
    ),
    "post/closes-and-says-nothing": Mutant(
        "functions.broadcast.post_message.post_message",
        "        self._tell(chunk, account, failed=over)\n        return over",
        "        return over",
    ),
    "post/believes-a-410-of-a-young-one": Mutant(
        "functions.broadcast.post_message.post_message",
        "                gone &= ~chunk.young",
        "                pass",
    ),
    "echo/refuses-what-comes-again": Mutant(
        "functions.messaging.echo.echo",
        "    elif message.is_new:\n        yield _refusal",
        "    elif message:\n        yield _refusal",
    ),
}
"""Every mutant, by name."""
