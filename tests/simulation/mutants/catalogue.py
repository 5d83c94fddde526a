"""The mutants: where each changes the shipped code, and into which."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).parents[3]


@dataclass(frozen=True)
class Mutant:
    """One change: in this module, that text becomes the other.

    Attributes:
        first: the first seed that is tried; for a mutant that few seeds catch, one shortly before such a seed.
        crashes: it is caught by an error that no function knows. Otherwise such an error does not count as caught.
    """

    module: str
    before: str
    after: str
    first: int = 0
    crashes: bool = False

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
        "        results = list(self._executor.map(count_changes, of_partition))\n        self._release(results)\n",
        "        closed = {one: sum(change.delta < 0 for change in found) for one, found in of_partition.items()}\n"
        "        self._release([_Counted(one, 0, closed[one]) for one in of_partition])\n"
        "        results = list(self._executor.map(count_changes, of_partition))\n",
    ),
    "accounting/counts-the-change-at-the-checkpoint-again": Mutant(
        "functions.connections.accounting.accounting",
        "            fresh = [change for change in changes if seen is None or change.order > seen]",
        "            fresh = [change for change in changes if seen is None or change.order >= seen]",
    ),
    "accounting/keeps-removed-connections-in-their-sessions": Mutant(
        "functions.connections.accounting.accounting",
        "            not_forgotten = self._sessions.forget_all(gone)",
        "            not_forgotten = set()",
    ),
    "accounting/sets-the-checkpoint-to-the-first-change": Mutant(
        "functions.connections.accounting.accounting",
        "            last = max(change.order for change in fresh)",
        "            last = min(change.order for change in fresh)",
    ),
    "accounting/does-not-subtract-removed-rows": Mutant(
        "functions.connections.accounting.accounting",
        "            delta = sum(change.delta for change in fresh)",
        "            delta = sum(max(change.delta, 0) for change in fresh)",
    ),
    "accounting/acknowledges-failed-changes": Mutant(
        "functions.connections.accounting.accounting",
        "partition=partition)\n            return _Counted(partition, is_done=False)",
        "partition=partition)\n            return _Counted(partition)",
    ),
    "accounting/counts-modified-rows": Mutant(
        "functions.connections.accounting.accounting",
        '"MODIFY": 0,',
        '"MODIFY": 1,',
    ),
    "accounting/releases-added-rows": Mutant(
        "functions.connections.accounting.accounting",
        "+= partition.closed",
        "+= partition.closed + partition.opened",
    ),
    "connect/releases-the-reservation-of-a-row-that-may-exist": Mutant(
        "functions.connections.connect.connect",
        "            self._connections.delete(handshake.connection.key)",
        "            self._release_reservation(handshake.connection.tenant_id)",
    ),
    "connect/admits-one-too-many-to-a-session": Mutant(
        "functions.connections.connect.dynamodb",
        "size(connectionIds) < :maximum",
        "size(connectionIds) <= :maximum",
    ),
    "connect/reserves-one-too-many": Mutant(
        "loudhailer.limits.dynamodb",
        '            "attribute_not_exists(itemCount) OR itemCount < :maximum",',
        '            "attribute_not_exists(itemCount) OR itemCount <= :maximum",',
    ),
    "sessions/creates-a-session-to-remove-a-connection-from": Mutant(
        "loudhailer.sessions.dynamodb",
        '"DELETE connectionIds :gone", _EXISTS, gone',
        '"DELETE connectionIds :gone", "attribute_not_exists(nothing)", gone',
    ),
    "partitions/resets-an-existing-partition": Mutant(
        "loudhailer.partitions.dynamodb",
        '_IS_NEW = "attribute_not_exists(connectionCount)"',
        '_IS_NEW = "attribute_not_exists(retiredAt)"',
    ),
    "partitions/ignores-the-checkpoint": Mutant(
        "loudhailer.partitions.dynamodb",
        '_AT_CHECKPOINT = "checkpoint = :checkpoint"',
        '_AT_CHECKPOINT = "attribute_exists(checkpoint)"',
    ),
    "partitions/assigns-a-partition-before-it-is-open": Mutant(
        "loudhailer.partitions.assignment",
        "            list(self._executor.map(self._store.open, opened))",
        "            list(self._executor.map(self._store.open, opened[1:]))",
    ),
    "query/completes-before-the-flush": Mutant(
        "functions.broadcast.query.query",
        "            outbox.flush()\n            self._complete(message, sent, source)",
        "            self._complete(message, sent, source)\n            outbox.flush()",
    ),
    "query/reads-partitions-in-reverse": Mutant(
        "loudhailer.broadcast.search",
        "        unread = (partition for partition in sorted(partitions) if",
        "        unread = (partition for partition in sorted(partitions, reverse=True) if",
    ),
    "query/reads-the-last-recipient-twice": Mutant(
        "functions.broadcast.query.query",
        "    return [recipient for recipient in page if recipient[:2] > last]",
        "    return [recipient for recipient in page if recipient[:2] >= last]",
    ),
    "query/counts-partitions-as-recipients": Mutant(
        "functions.broadcast.query.query",
        "        self.recipients += chunk.size",
        "        self.recipients += len(chunk.recipients)",
    ),
    "publish/notes-a-small-broadcast-before-it-is-sent": Mutant(
        "loudhailer.broadcast.publishing.publisher",
        "            self._short_path.send(announcement, chunk, cancelled=recorded.cancelled)\n"
        "            self._announce.note(recorded, announcement)\n",
        "            self._announce.note(recorded, announcement)\n"
        "            self._short_path.send(announcement, chunk, cancelled=recorded.cancelled)\n",
    ),
    "publish/sends-another-chunk-than-the-recorded-one": Mutant(
        "loudhailer.broadcast.publishing.short_path",
        "        return recorded, chunk if recorded is small else None",
        "        return recorded, chunk",
    ),
    "broadcasts/leaves-the-source-of-a-small-broadcast-open": Mutant(
        "loudhailer.broadcast.dynamodb",
        "for one in (chunk, end) if one.size or one is end),",
        "for one in (chunk, end) if one.size),",
    ),
    "swarm/leaves-out-empty-partitions": Mutant(
        "functions.broadcast.swarm.swarm",
        "        expected = {known.partition: max(0, known.count) for known in counts}",
        "        expected = {known.partition: known.count for known in counts if known.count > 0}",
    ),
    "swarm/omits-the-deadline": Mutant(
        "functions.broadcast.swarm.swarm",
        "        has_deadline=announcement.has_deadline,\n",
        "",
    ),
    "swarm/sends-no-source-again-when-redelivered": Mutant(
        "functions.broadcast.swarm.swarm",
        "            return self._broadcasts.sources(broadcast_id)[: summary.sources]",
        "            return []",
    ),
    "swarm/plans-only-the-first-group": Mutant(
        "functions.broadcast.swarm.swarm",
        ("                if not self._broadcasts.fix_sources(broadcast_id, group):\n                    break"),
        ("                self._broadcasts.fix_sources(broadcast_id, group)\n                return"),
    ),
    "post/omits-delivered-connections-from-the-outcome": Mutant(
        "functions.broadcast.post_message.post_message",
        "            self._report(chunk, account, delivered=delivered, gone=gone)",
        "            self._report(chunk, account, gone=gone)",
    ),
    "post/gives-up-without-an-outcome": Mutant(
        "functions.broadcast.post_message.post_message",
        "        self._report(chunk, account, failed=chunk.remaining, expired=expired)",
        '        count("GivenUp")',
    ),
    "post/reverses-the-connections-of-a-chunk": Mutant(
        "functions.broadcast.post_message.post_message",
        "    connections = [connection for found in chunk.recipients.values() for connection in found]",
        "    connections = sorted(connection for found in chunk.recipients.values() for connection in found)[::-1]",
    ),
    "settle/acknowledges-failed-outcomes": Mutant(
        "functions.broadcast.settle.settle",
        "                failures |= dict.fromkeys(fitting, error)",
        '                count("OutcomeFailed")',
    ),
    "broadcasts/overwrites-existing-rows": Mutant(
        "loudhailer.broadcast.dynamodb",
        '_IS_NEW = "attribute_not_exists(part)"',
        '_IS_NEW = "attribute_not_exists(nothing)"',
    ),
    "reconcile/recounts-without-waiting": Mutant(
        "functions.connections.reconcile.reconcile",
        "QUIET_SECONDS = 3_900",
        "QUIET_SECONDS = 0",
    ),
    "relay/posts-the-newest-message-first": Mutant(
        "functions.messaging.relay_message.relay_message",
        ("            for message in messages\n        ]"),
        ("            for message in messages[::-1]\n        ]"),
    ),
    "presence/gives-all-wakes-the-same-id": Mutant(
        "functions.messaging.presence.wakes",
        "wake.to_message(event_id) for",
        'wake.to_message("wake") for',
    ),
    "consumer/continues-a-group-after-a-failure": Mutant(
        "loudhailer.queues.consumer",
        "                blocked = not isinstance(error, PermanentError)",
        "                blocked = False",
    ),
    "consumer/acknowledges-failed-messages": Mutant(
        "loudhailer.queues.consumer",
        ("exc_info=error)\n        return False"),
        ("exc_info=error)\n        return True"),
    ),
    "once/gives-each-attempt-an-id-of-its-own": Mutant(
        "loudhailer.websocket.once",
        "        first = replace(caller, request_id=sent.request_id, received_at=sent.received_at)",
        "        first = replace(caller, received_at=sent.received_at)",
    ),
    "end-session/believes-a-410-of-a-young-connection": Mutant(
        "functions.sessions.end_session.end_session",
        "        over = {*closing.closed, *closing.gone} - self._young(closing.gone)",
        "        over = {*closing.closed, *closing.gone}",
        first=140,
    ),
    "report/reads-tallies-after-chunks": Mutant(
        "loudhailer.broadcast.report",
        "    return summary, summarise(summary, sources, dispatched, tallies)",
        "    return summary, summarise(summary, sources, dispatched, broadcasts.tallies(broadcast_id))",
        first=680,
    ),
    "accounting/releases-probes": Mutant(
        "functions.connections.accounting.accounting",
        "                closed = sum(change.delta < 0 and not change.is_probe for change in fresh)",
        "                closed = sum(change.delta < 0 for change in fresh)",
    ),
    "totals/lowers-a-total-before-the-probes-are-counted": Mutant(
        "functions.connections.reconcile.totals",
        "        elif all(row.probe == inquiry.probe for row in counts):",
        "        elif counts:",
    ),
    "connect/records-no-device": Mutant(
        "functions.connections.connect.dynamodb",
        '            devices = [{"Put": {"TableName": self._devices_table, "Item": device}}]',
        '            devices = [{"Put": {"TableName": self._devices_table, "Item": device}}][1:]',
    ),
    "relay/forgets-recorded-devices": Mutant(
        "functions.messaging.relay_message.relay_message",
        "            gone = (key.connection_id for key in known if key not in recorded)",
        "            gone = (key.connection_id for key in known[1:])",
    ),
    "settle/credits-a-repeated-outcome": Mutant(
        "loudhailer.broadcast.model",
        "        if news := (delivered & ~self.delivered).bit_count():",
        "        if news := outcome.delivered.bit_count():",
    ),
    "settle/prefers-failed-to-delivered": Mutant(
        "loudhailer.broadcast.model",
        "        delivered = self.delivered | outcome.delivered\n",
        "        delivered = self.delivered | (outcome.delivered & ~self.failed)\n",
    ),
    "settle/counts-delivered-as-gone": Mutant(
        "loudhailer.broadcast.model",
        "        gone = (self.gone | outcome.gone) & ~delivered",
        "        gone = self.gone | outcome.gone",
    ),
    "broadcasts/replaces-a-tally-without-a-condition": Mutant(
        "loudhailer.broadcast.dynamodb",
        "        condition = _IS_NEW\n        if old is not None:\n            condition =",
        '        condition = "attribute_not_exists(nothing)"\n        if old is not None:\n            _ =',
        first=170,
    ),
    "relay/deletes-messages-before-connections-behind-are-closed": Mutant(
        "functions.messaging.relay_message.relay_message",
        (
            "            self._close_or_wake(posted.behind, wake, wake_id)\n"
            "            skipped |= posted.behind\n"
            "            self._inboxes.delete(messages[: posted.deletable])"
        ),
        (
            "            self._inboxes.delete(messages[: posted.deletable])\n"
            "            self._close_or_wake(posted.behind, wake, wake_id)\n"
            "            skipped |= posted.behind"
        ),
    ),
    "totals/ignores-reservations-made-meanwhile": Mutant(
        "functions.connections.reconcile.totals",
        "    return total.count - rows - (total.reserved - inquiry.reserved)",
        "    return total.count - rows",
    ),
    "post/closes-connections-without-an-outcome": Mutant(
        "functions.broadcast.post_message.post_message",
        "        self._report(chunk, account, failed=closed | young, gone=gone & ~young)\n",
        "",
    ),
    "post/believes-a-410-of-a-young-connection": Mutant(
        "functions.broadcast.post_message.post_message",
        "            gone &= ~self._young(chunk)\n",
        "",
    ),
    "echo/answers-no-connection": Mutant(
        "functions.messaging.echo.echo",
        """        return [
            reply for message in messages for reply in _replies(message, session, rulings[message.record.message_id])
        ]""",
        "        return [reply for message in messages[:0] for reply in _replies(message, session, rulings[''])]",
    ),
    "echo/refuses-a-redelivered-frame": Mutant(
        "functions.messaging.echo.echo",
        "    elif message.is_new:\n        yield _refusal",
        "    elif message:\n        yield _refusal",
        first=140,
    ),
    "limits/repeats-a-write-that-may-have-succeeded": Mutant(
        "loudhailer.limits.dynamodb",
        "            except BusyError:\n",
        "            except Exception:  # noqa: BLE001\n",
        first=1200,
    ),
    "streams/compares-sequence-numbers-as-text": Mutant(
        "loudhailer.streams.records",
        "self.sequence_number.zfill(_DIGITS)",
        "self.sequence_number",
    ),
    "connect/enters-an-expired-session": Mutant(
        "functions.connections.connect.dynamodb",
        '_LIVE = "sessionTTL > :now"',
        '_LIVE = "sessionTTL > :now OR attribute_exists(sessionTTL)"',
    ),
    "connect/believes-a-410-of-a-young-connection": Mutant(
        "functions.connections.connect.connect",
        "< now - YOUNG_SECONDS]",
        "<= now]",
    ),
    "connections/does-not-repeat-a-refused-deletion": Mutant(
        "loudhailer.connections.dynamodb",
        "                    self.delete(key)\n",
        "                    pass\n",
    ),
    "sessions/deletes-a-session-for-another-player": Mutant(
        "loudhailer.sessions.dynamodb",
        'condition = f"{_EXISTS} AND ({_UNBOUND} OR {_BOUND_TO})"',
        'condition = f"{_EXISTS} AND ({_UNBOUND} OR {_BOUND_TO} OR attribute_exists(playerId))"',
    ),
    "sessions/renews-a-session-for-another-player": Mutant(
        "loudhailer.sessions.dynamodb",
        ("            elif player is not None and seen.player_id != player:\n                return False"),
        (
            "            elif player is not None and seen.player_id != player:\n"
            "                self._delete_if(_EXISTS, tenant, session)"
        ),
    ),
    "stores/reads-rows-without-consistency": Mutant(
        "loudhailer.aws.tables",
        'Key=key, ConsistentRead=True, **request).get("Item")',
        'Key=key, **request).get("Item")',
    ),
    "disconnect/acknowledges-an-open-connection": Mutant(
        "functions.connections.disconnect.disconnect",
        "        return list(closing.open)",
        "        return []",
        first=150,
    ),
    "swarm/reads-partitions-without-consistency": Mutant(
        "loudhailer.partitions.audiences",
        "_store_of(key).of(key)",
        "_store_of(key).of(key, consistent=False)",
        first=400,
    ),
    "swarm/ends-before-all-partitions-are-planned": Mutant(
        "functions.broadcast.swarm.swarm",
        (" for source in fixed for partition in _partitions(source)}\n            if not unplanned:"),
        (" for source in fixed for partition in _partitions(source)}\n            if not unplanned or fixed:"),
        first=160,
    ),
    "broadcasts/reads-rows-without-consistency": Mutant(
        "loudhailer.broadcast.dynamodb",
        "    def _update(self, broadcast_id: BroadcastId,",
        "    def _get_row(self, key: Item, **request: Any) -> Item | None:\n"
        "        return self._client.get_item(TableName=self._table, Key=key, **request).get('Item')\n\n"
        "    def _update(self, broadcast_id: BroadcastId,",
    ),
    "broadcasts/reads-pages-without-consistency": Mutant(
        "loudhailer.broadcast.dynamodb",
        'begins_with(part, :prefix)", values, **projection)',
        'begins_with(part, :prefix)", values, consistent=False, **projection)',
    ),
    "broadcasts/ignores-an-existing-chunk": Mutant(
        "loudhailer.broadcast.dynamodb",
        ("        if self._put_new(self._chunk_row(broadcast_id, chunk)):\n            return chunk\n"),
        ("        if self._put_new(self._chunk_row(broadcast_id, chunk)) or chunk.size:\n            return chunk\n"),
        first=170,
    ),
    "batches/reads-without-consistency": Mutant(
        "loudhailer.aws.batches",
        '"Keys": list(batch), "ConsistentRead": True, **projection',
        '"Keys": list(batch), **projection',
    ),
    "batches/drops-unprocessed-items": Mutant(
        "loudhailer.aws.batches",
        "        request = answer.get(unprocessed_field)\n",
        "        request = None\n",
    ),
    "batches/drops-failed-entries": Mutant(
        "loudhailer.aws.batches",
        '        failed = answer.get("Failed", [])\n',
        "        failed: list[Any] = []\n",
    ),
    "query/resumes-in-the-next-partition": Mutant(
        "loudhailer.broadcast.search",
        "after is None or partition >= after.partition)",
        "after is None or partition > after.partition)",
    ),
    "query/sends-before-its-lanes-are-marked": Mutant(
        "functions.broadcast.query.query",
        (
            "            with suppress(TimeoutError):\n"
            "                marked.result(_MARKED_WITHIN_SECONDS)\n"
            "            for chunk in self._chunks(message, sent):"
        ),
        "            for chunk in self._chunks(message, sent):",
    ),
    "outbox/does-not-wait-for-sends": Mutant(
        "functions.broadcast.query.outbox",
        ("        while self._sending:\n            self._sending.popleft().result()"),
        "        self._sending.clear()",
    ),
    "post/drops-unsent-connections": Mutant(
        "functions.broadcast.post_message.post_message",
        "            self._send_back(replace(chunk, remaining=found[Outcome.UNSENT]), shard, delay=0)\n",
        "",
        first=1640,
    ),
    "post/drops-throttled-connections": Mutant(
        "functions.broadcast.post_message.post_message",
        "        self._send_back(again, shard, delay=delay, refused=True)",
        "        del again, delay, shard",
    ),
    "undelivered/omits-the-outcome-of-a-chunk": Mutant(
        "functions.broadcast.settle.undelivered",
        "                case ChunkMessage():\n                    self._settle.outcomes(",
        "                case ChunkMessage():\n                    list(",
    ),
    "undelivered/fails-the-first-connection-only": Mutant(
        "functions.broadcast.settle.undelivered",
        "message.size, message.remaining)]",
        "message.size, message.remaining & 1)]",
    ),
    "settle/adds-only-one-outcome-of-a-chunk": Mutant(
        "functions.broadcast.settle.settle",
        (
            "                if fitting:\n"
            "                    self._settle(key, list(fitting.values()), tallies.get(key))"
        ),
        (
            "                if fitting:\n"
            "                    self._settle(key, list(fitting.values())[:1], tallies.get(key))"
        ),
    ),
    "settle/keeps-rows-of-gone-connections": Mutant(
        "functions.broadcast.settle.settle",
        "            self._delete(key, undeleted)\n",
        "            pass\n",
    ),
    "announcer/notes-a-broadcast-before-it-is-sent": Mutant(
        "loudhailer.broadcast.announcer",
        (
            "        self._topic.publish(announcement.to_wire(), group=announcement.group)\n"
            "        self.note(summary, announcement)\n"
        ),
        (
            "        self.note(summary, announcement)\n"
            "        self._topic.publish(announcement.to_wire(), group=announcement.group)\n"
        ),
    ),
    "report/does-not-count-missed-recipients-as-failed": Mutant(
        "loudhailer.broadcast.report",
        "    failed = missed + sum(",
        "    failed = sum(",
    ),
    "report/finishes-before-all-sources-are-read": Mutant(
        "loudhailer.broadcast.report",
        "    queried = summary.sources == len(sources) and all(source.dispatched is not None for source in sources)",
        "    queried = summary.sources is not None",
    ),
    "report/counts-failed-as-gone": Mutant(
        "loudhailer.broadcast.report",
        "    gone = sum(tally.gone.bit_count() for tally in tallies)",
        "    gone = sum((tally.gone | tally.failed).bit_count() for tally in tallies)",
    ),
    "connections/reads-rooms-of-one-tenant-only": Mutant(
        "loudhailer.connections.dynamodb",
        'values = {":room": {"S": f"{tenant}#{room}"}}',
        'values = {":room": {"S": f"acme#{room}"}}',
    ),
    "rooms/shares-a-room-among-tenants": Mutant(
        "loudhailer.rooms.dynamodb",
        '    return f"{tenant}#{room}"',
        '    return f"{tenant[:0]}#{room}"',
    ),
    "rooms/keeps-a-connection-that-missed-a-message": Mutant(
        "functions.messaging.send_message.rooms",
        "                    ends.append(End(keys[connection], close=True))",
        "                    pass",
    ),
    "rooms/accepts-messages-of-members-of-other-rooms": Mutant(
        "functions.messaging.send_message.rooms",
        "        if membership is None or membership.room != room:",
        "        if membership is None:",
    ),
    "direct/acknowledges-a-message-without-storing-it": Mutant(
        "functions.messaging.send_message.direct",
        ("            self._inboxes.put(\n                DirectMessage("),
        ("            str(\n                DirectMessage("),
    ),
    "direct/acknowledges-with-the-id-of-a-later-attempt": Mutant(
        "functions.messaging.send_message.direct",
        ("        stored_as = message_id(first.received_at, first.request_id)\n        return refusal"),
        ("        stored_as = message_id(caller.received_at, caller.request_id)\n        return refusal"),
    ),
    "once/finishes-an-attempt-before-it-is-carried-out": Mutant(
        "loudhailer.websocket.once",
        ("        try:\n            refusal = carry_out(first)"),
        ("        try:\n            self._sent.finish(attempt)\n            refusal = carry_out(first)"),
    ),
    "presence/wakes-no-inbox-for-a-new-connection": Mutant(
        "functions.messaging.presence.wakes",
        '    if "playerId" not in record.new:',
        '    if "playerId" in record.keys or "partition" in record.keys:',
    ),
    "inbox/reads-without-consistency": Mutant(
        "loudhailer.inbox.dynamodb",
        ("                ConsistentRead=True,\n                Limit=limit,"),
        "                Limit=limit,",
        first=90,
    ),
    "relay/deletes-messages-that-a-connection-misses": Mutant(
        "functions.messaging.relay_message.relay_message",
        "        self._inboxes.delete(messages[:done])\n",
        "        self._inboxes.delete(messages)\n",
    ),
    "accounting/resumes-at-the-last-failure": Mutant(
        "functions.connections.accounting.accounting",
        "(change.sequence_number for change in changes if change.partition in again), None",
        "(change.sequence_number for change in changes[::-1] if change.partition in again), None",
    ),
    "reconcile/removes-a-partition-without-waiting": Mutant(
        "functions.connections.reconcile.reconcile",
        "        elif idle >= QUIET_SECONDS and run.now",
        "        elif run.now",
    ),
    "lending/borrows-before-its-mark-is-written": Mutant(
        "loudhailer.delivery.lending.policy",
        (
            "        if self._age(self._kind, self._clock()) >= MARK_EVERY_SECONDS:\n"
            "            self._mark()\n"
            "        sent, now = self._monotonic(), self._clock()\n"
            "        self._read(now)\n"
            "        if self._age(self._kind, now) >= MARK_EVERY_SECONDS:\n"
            "            return 1.0, sent  # The mark took too long: others may have missed it."
        ),
        (
            "        sent, now = self._monotonic(), self._clock()\n"
            "        self._read(now)\n"
            "        if self._age(self._kind, self._clock()) >= MARK_EVERY_SECONDS:\n"
            "            self._mark()"
        ),
    ),
    "lending/believes-marks-for-two-seconds": Mutant(
        "loudhailer.delivery.lending.policy",
        "BELIEVED_SECONDS\n",
        "2.0\n",
    ),
    "lending/takes-the-time-between-two-marks-for-idle": Mutant(
        "loudhailer.delivery.lending.policy",
        "self._age(kind, now) < IDLE_AFTER_SECONDS",
        "self._age(kind, now) < MARK_EVERY_SECONDS / 2",
    ),
    "lending/never-marks": Mutant(
        "loudhailer.delivery.lending.policy",
        "        self._store.mark(self._kind, mark)\n",
        "",
    ),
    "lending/never-lends": Mutant(
        "loudhailer.delivery.lending.policy",
        "        return 1.0 / sum(self._shares[kind] for kind in posting), sent + BELIEVED_SECONDS",
        "        return 1.0 / sum(self._shares.values()), sent + BELIEVED_SECONDS",
    ),
    "lending/keeps-borrowing-after-a-failed-read": Mutant(
        "loudhailer.delivery.lending.policy",
        (
            "            if (error := self._looking.exception()) is None:\n"
            "                self._factor, self._until = self._looking.result()\n"
            "            else:\n"
            "                self._failed(error, now)"
        ),
        (
            "            if (error := self._looking.exception()) is None:\n"
            "                self._factor, self._until = self._looking.result()\n"
            "            else:\n"
            "                self._until = now + BELIEVED_SECONDS"
        ),
    ),
    "lending/lends-the-whole-rest-to-each-kind": Mutant(
        "loudhailer.delivery.lending.policy",
        "        return 1.0 / sum(self._shares[kind] for kind in posting), sent",
        "        rest = sum(self._shares[kind] for kind in self._shares.keys() - posting)\n"
        "        return 1.0 + rest / self._shares[self._kind], sent",
    ),
    "lane/keeps-permissions-for-five-seconds": Mutant(
        "loudhailer.delivery.lane",
        "_BUCKET_SECONDS = 0.05",
        "_BUCKET_SECONDS = 5.0",
    ),
    "placing/does-not-note-the-cell": Mutant(
        "functions.sessions.session_api.placing",
        "            self._placements.add_cell(tenant.tenant_id, cell, now)\n",
        "",
        first=24,
    ),
    "combined/has-the-status-of-the-hub": Mutant(
        "loudhailer.broadcast.combined",
        'status=reports[0].status if len(states) == 1 else "delivering"',
        "status=reports[0].status",
        first=24,
    ),
    "forward/deletes-before-it-stores": Mutant(
        "functions.messaging.forward_message.forward_message",
        "        for message in messages:\n            if deadline.is_over():\n                return\n",
        "        for message in messages:\n            done.append(message)\n",
        first=24,
    ),
    "forward/asks-no-other-cell": Mutant(
        "functions.messaging.forward_message.forward_message",
        "            if cell != sender:\n",
        "            if cell == sender:\n",
        first=24,
    ),
    "relay/fetches-nothing-at-a-connection": Mutant(
        "functions.messaging.relay_message.relay_message",
        "        if is_finished and wake.connected:\n            self._fetch(wake, wake_id)\n",
        "",
        first=24,
    ),
    "relay/hands-over-without-a-request": Mutant(
        "functions.messaging.relay_message.players_cell",
        "        self._send(Forward(inbox))\n        count",
        "        count",
        first=24,
    ),
    "placements/forget-the-cell-before": Mutant(
        "loudhailer.cells.placements.model",
        "        former=seen.cell if has_moved else seen.former,\n",
        "        former=seen.former,\n",
        first=24,
    ),
    "shares/each-cell-gets-the-rest": Mutant(
        "loudhailer.cells.rendezvous",
        "    for each in list(parts)[: limit - sum(parts.values())]:\n",
        "    for each in list(parts):\n",
        first=24,
    ),
    "shares/the-hub-has-all": Mutant(
        "loudhailer.limits.shares",
        "        return self._part(tenant, self._taking_part())\n",
        "        return tenant\n",
        first=24,
    ),
    "drain/continues-when-it-is-stopped": Mutant(
        "tools.operations.draining",
        "        self.require_order()\n",
        "",
        first=830,
    ),
    "drain/clients-close-after-two-seconds": Mutant(
        "tools.operations.draining",
        'return int(deployment.outputs["message_lifetime_seconds"]) + int(longest)',
        "return 2",
        first=170,
    ),
    "admission/gives-more-slots-than-it-takes": Mutant(
        "functions.sessions.session_api.admission",
        "for each in range(number, 0, -1))",
        "for each in range(number + 1, 0, -1))",
        first=16,
    ),
    "admission/a-due-appointment-becomes-another": Mutant(
        "functions.sessions.session_api.admission",
        "return None if turn.kind is Kind.SLOT else self._slot(cell, line, tenant, session, now)",
        "return None if turn.kind is Kind.SLOT else self._appointment(cell, line, tenant, session, now)",
        first=16,
    ),
    "line/a-slot-is-given-again": Mutant(
        "loudhailer.limits.line.dynamodb",
        "OR {end} < :now OR {end} > :longest",
        "OR {end} < :longest OR {end} > :longest",
        first=16,
    ),
    "presence/tells-no-end": Mutant("functions.messaging.presence.presence", "            self._ends(records)\n", ""),
    "presence/tells-an-end-once": Mutant(
        "functions.messaging.presence.ends",
        "in ((False, 0), (True, SETTLED_SECONDS)):",
        "in ((False, 0),):",
    ),
    "broadcast/a-channel-has-followers-of-its-name-alone": Mutant(
        "loudhailer.broadcast.audience",
        "in ids.patterns_of(audience.channel)]",
        "in ids.patterns_of(audience.channel)[:1]]",
    ),
    "subscribe/answers-before-it-puts-the-member": Mutant(
        "functions.channels.subscribe.subscribe", "        self._members.put(\n", "        _ = (\n"
    ),
    "publish_frame/publishes-a-repeated-frame-as-another": Mutant(
        "functions.channels.publish_frame.publish_frame",
        "lambda first: self._publish(caller, first, channel,",
        "lambda _: self._publish(caller, caller, channel,",
        first=260,
    ),
    "publish_frame/takes-a-right-to-subscribe-for-one-to-publish": Mutant(
        "functions.channels.publish_frame.publish_frame",
        'caller.grants.allow(Pattern(channel), "p")',
        'caller.grants.allow(Pattern(channel), "s")',
    ),
    "publish_frame/acknowledges-with-the-id-of-a-later-attempt": Mutant(
        "functions.channels.publish_frame.publish_frame",
        "published_frame(channel, _id_of(first),",
        "published_frame(channel, _id_of(caller),",
    ),
    "search/finds-a-follower-of-two-patterns-twice": Mutant(
        "loudhailer.broadcast.search",
        "                found += each_once(page, seen) if overlaps(scope) else page\n",
        "                found += page\n",
    ),
    "erasing/leaves-the-further-cells": Mutant(
        "tools.operations.erasing",
        "        for stores in (self.stores, *self.further):\n",
        "        for stores in (self.stores,):\n",
        first=300,
    ),
    "erasing/keeps-the-placements": Mutant(
        "tools.operations.erasing",
        "            self.stores.placements.forget(self.tenant)\n",
        "",
        first=300,
    ),
}
"""Every mutant, by name."""
