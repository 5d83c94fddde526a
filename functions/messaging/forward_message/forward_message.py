"""Bring direct messages to the cell that their receiver is on.

A message is stored in the cell of its sender, and is acknowledged there. If the player of the inbox is on another cell,
`relay_message` of the sender's cell asks for the inbox to be forwarded. If a player comes from another cell,
`relay_message` of the new cell asks for the messages that wait elsewhere. The messages of an inbox are put into the
inbox on the other cell in their order, and only then deleted in the first one. So each message is in an inbox at any
time. It may be in two, or arrive twice: its id stays the same. Two invocations may move a message to the other cell and
back at the same time. Each move makes a new row, so neither invocation deletes the row that the other one has put.

The placement is read after the messages. If the player moves at the same time, the messages reach the player's former
cell. Their arrival wakes the inbox there, and they are forwarded once more.

A request that fails for half an hour is given up. The player's placement then says so, and the next connection of the
player asks for what waits.

A further cell is another account, which an attacker may control. So messages are checked before they are stored on
another cell. A message that no client can have sent is deleted: it would delay the others.
"""

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, replace

from loudhailer.cells.placements.model import KEPT_SECONDS, Placement, name_of_player, placement_after
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.deadline import Deadline
from loudhailer.errors import MalformedMessageError, TransientError
from loudhailer.ids import HUB, CellName
from loudhailer.inbox.forwarding import Forward
from loudhailer.inbox.model import MAX_LIFETIME_SECONDS, DirectMessage, Inbox
from loudhailer.inbox.port import InboxStore
from loudhailer.limits.places.inboxes import take_place_in
from loudhailer.limits.places.port import PlaceStore
from loudhailer.observability import count, logger
from loudhailer.queues.port import FifoQueue
from loudhailer.tenants.port import TenantStore

MESSAGES_AT_ONCE = 25

_ATTEMPTS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class CellInboxes:
    """The inboxes of a cell, and the places in them."""

    inboxes: InboxStore
    places: PlaceStore


class InboxFullError(TransientError):
    """The inbox on the player's cell is full: the messages stay where they are, and so do later ones.

    Their cell's limit then refuses their senders.
    """

    def __init__(self) -> None:
        super().__init__("the inbox on the player's cell is full")


class ForwardMessage:
    """Handles the requests of the cells; `cells` are the names of all cells, the hub's included."""

    def __init__(
        self,
        tenants: TenantStore,
        placements: PlacementStore,
        inboxes_of: Callable[[CellName], CellInboxes],
        queue_of: Callable[[CellName], FifoQueue],
        *,
        cells: Collection[CellName],
        messages_per_inbox: int,
        clock: Callable[[], float],
    ) -> None:
        self._tenants = tenants
        self._placements = placements
        self._inboxes_of = inboxes_of
        self._queue_of = queue_of
        self._cells = frozenset(cells)
        self._messages_per_inbox = messages_per_inbox
        self._clock = clock

    def __call__(self, request: Forward, sender: CellName, *, deadline: Deadline, is_last: bool = False) -> None:
        """Handle a request of the cell `sender`; if time runs out, another request is made for the rest.

        Requests about a tenant without sessions on that cell are ignored. `is_last` says that the request is given up
        if it fails once more. A full inbox is then no failure: the player is away, and gets what waits at the next
        connection.

        Raises:
            TransientError: a table or queue did not answer, or the inbox on the player's cell is full.
        """
        tenant = request.inbox.tenant_id
        with logger.append_context_keys(tenant_id=tenant, cell=sender):
            if self._tenants.get(tenant, consistent=True) is None:
                count("ForwardIgnored")
                return
            on = {HUB, *self._placements.cells_of(tenant)} & self._cells
            if sender not in on:
                count("ForwardRefused")
                logger.error("a cell asks for messages of a tenant that is not on it")
            elif request.has_come:
                self._ask(request.inbox, sender, on)
            else:
                self._forward_or_note(request.inbox, sender, deadline, is_last=is_last)

    def _ask(self, inbox: Inbox, sender: CellName, on: Collection[CellName]) -> None:
        """Have the player's messages forwarded from each other cell; a cell that does not answer delays no other."""
        name = name_of_player(inbox.player_id)
        placement = self._placements.get(inbox.tenant_id, [name]).get(name)
        if placement is None or placement.cell != sender:
            count("ForwardIgnored")
            return
        for cell in sorted(on):
            if cell != sender:
                self._queue_of(cell).send_all([Forward(inbox).to_message()])
        if placement.waits_elsewhere:
            # Another change of the placement, which this one would undo, leaves the note: it is asked for once more.
            asked = replace(placement, version=placement.version + 1, waits_elsewhere=False)
            self._placements.put(inbox.tenant_id, name, asked)

    def _forward_or_note(self, inbox: Inbox, source: CellName, deadline: Deadline, *, is_last: bool) -> None:
        try:
            self._forward(inbox, source, deadline)
        except TransientError as error:
            if is_last:
                self._note_waiting(inbox, source)
            if not is_last or not isinstance(error, InboxFullError):
                raise

    def _note_waiting(self, inbox: Inbox, source: CellName) -> None:
        """Note on the player's placement that messages wait elsewhere."""
        count("ForwardGivenUp")
        name = name_of_player(inbox.player_id)
        found = self._placements.get(inbox.tenant_id, [name]).get(name)
        after = self._next(found, source)
        expires_at = after.expires_at if found is None else max(found.expires_at, after.expires_at)
        noted = replace(after, expires_at=expires_at, waits_elsewhere=True)
        if not self._placements.put(inbox.tenant_id, name, noted):
            raise TransientError("the player was placed at the same time")

    def _forward(self, inbox: Inbox, source: CellName, deadline: Deadline) -> None:
        """Forward the messages from one cell, unless it is the player's."""
        here = self._inboxes_of(source).inboxes
        while messages := here.oldest(inbox, MESSAGES_AT_ONCE):
            latest = int(self._clock()) + MAX_LIFETIME_SECONDS
            target = self._cell_of(inbox, source, until=min(messages[-1].expires_at, latest))
            if target == source:
                return
            done: list[DirectMessage] = []
            try:
                self._store(self._inboxes_of(target), messages, done, deadline)
            finally:
                here.delete(done)
            if deadline.is_over():
                self._queue_of(source).send_all([Forward(inbox).to_message()])
                return

    def _store(
        self, there: CellInboxes, messages: Sequence[DirectMessage], done: list[DirectMessage], deadline: Deadline
    ) -> None:
        """Store the messages in their order until time runs out; append each that may be deleted to `done`.

        An expired message is not stored, nor is one that no client can have sent.
        """
        now = int(self._clock())
        for message in messages:
            if deadline.is_over():
                return
            if message.expires_at <= now:
                count("MessageExpired")
            elif _is_legal(message, now):
                self._put(there, message, now)
                count("MessageForwarded")
            done.append(message)

    def _put(self, there: CellInboxes, message: DirectMessage, now: int) -> None:
        inbox, limit = message.inbox, self._messages_per_inbox
        if not take_place_in(inbox, there.inboxes, there.places, limit, now=now, expires_at=message.expires_at):
            count("InboxFullElsewhere")
            raise InboxFullError
        there.inboxes.put(message.moved())

    def _cell_of(self, inbox: Inbox, source: CellName, *, until: int) -> CellName:
        """Return the player's cell; a placement that ends before `until`, epoch seconds, is extended.

        Messages to a player without a placement are collected where the first one is.
        """
        name = name_of_player(inbox.player_id)
        for _ in range(_ATTEMPTS):
            found = self._placements.get(inbox.tenant_id, [name]).get(name)
            after = self._next(found, source)
            if found is not None and found.cell == after.cell and found.expires_at >= until:
                return found.cell
            if self._placements.put(inbox.tenant_id, name, replace(after, expires_at=until + KEPT_SECONDS)):
                return after.cell
        raise TransientError("other invocations placed the player at every attempt")

    def _next(self, found: Placement | None, source: CellName) -> Placement:
        """The placement that follows; it is provisional on the messages' cell if nobody has placed the player."""
        is_placed = found is not None and found.cell in self._cells
        cell = found.cell if found is not None and is_placed else source
        is_provisional = not is_placed or (found is not None and found.is_provisional)
        after = placement_after(found, cell, None, int(self._clock()))
        return replace(after, is_provisional=is_provisional)


def _is_legal(message: DirectMessage, now: int) -> bool:
    try:
        message.check(now)
    except MalformedMessageError as error:
        count("ForwardRefused")
        logger.error("a cell has a direct message that no client can have sent", error=str(error))
        return False
    return True
