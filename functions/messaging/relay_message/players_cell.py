"""The cell that a player is on, and messages that wait for the player on another cell.

A message is stored in the cell of its sender. The hub knows the cell of its receiver, and forwards messages from one
cell to another: `forward_message`.

The placement is read after the messages. So a player who is placed here then was placed here when the messages were
stored, or has moved here since. Messages that are not delivered when a player moves to another cell are forwarded
there.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from loudhailer.cells.placements.model import KEPT_SECONDS, Placement, name_of_player
from loudhailer.cells.placements.port import PlacementStore
from loudhailer.errors import TransientError
from loudhailer.ids import CellName
from loudhailer.inbox.forwarding import Forward
from loudhailer.inbox.model import DirectMessage, Inbox
from loudhailer.observability import count, logger
from loudhailer.queues.port import FifoQueue

_AWAY_SECONDS = 5.0
"""Seconds for which the hub is not asked again after it did not answer: each attempt would take seconds."""


class HubUnreachableError(TransientError):
    """The hub does not answer, and only this wake can have the messages forwarded."""


class PlayersCell(Protocol):
    """Knows whether a player is on this cell."""

    def hand_over(self, messages: Sequence[DirectMessage], *, is_connected: bool) -> bool:
        """Have an inbox's messages forwarded, if its player is on another cell; tell whether that is so.

        `is_connected` says that the player has connections to this cell.

        Raises:
            HubUnreachableError: the hub does not answer, and the player has no connection here.
        """

    def fetch(self, inbox: Inbox) -> None:
        """Have messages forwarded to this cell that wait on other cells, if the player has moved here from another one.

        So it is if a request to bring them was given up.

        Raises:
            HubUnreachableError: the hub does not answer.
        """


class AlwaysHere(PlayersCell):
    """The only cell of a hub without further cells: every player is here."""

    def hand_over(self, messages: Sequence[DirectMessage], *, is_connected: bool) -> bool:
        """Do nothing."""
        del messages, is_connected
        return False

    def fetch(self, inbox: Inbox) -> None:
        """Do nothing."""


class ByPlacement(PlayersCell):
    """Asks the hub where a player is; `name` is this cell's, `hub` its queue there."""

    def __init__(
        self, placements: PlacementStore, hub: FifoQueue, *, name: CellName, clock: Callable[[], float]
    ) -> None:
        self._placements = placements
        self._hub = hub
        self._name = name
        self._clock = clock
        self._away_until = 0.0

    def hand_over(self, messages: Sequence[DirectMessage], *, is_connected: bool) -> bool:
        """Ask the hub to forward messages. If it does not answer, a player who is connected here counts as placed here.

        A message also goes to the hub if its receiver has no placement, or one that ends before the message expires:
        the hub then places the player on this cell for that time.
        """
        inbox = messages[0].inbox
        try:
            placement = self._placement(inbox)
        except HubUnreachableError as error:
            count("PlacementUnknown")
            if not is_connected:
                raise
            logger.warning("messages are delivered without knowing the player's cell", error=str(error))
            return False
        if self._is_here(placement, messages, is_connected=is_connected):
            return False
        self._send(Forward(inbox))
        count("InboxHandedOver")
        return True

    def fetch(self, inbox: Inbox) -> None:
        """Ask the hub to forward what waits on other cells, if the player came from another cell."""
        placement = self._placement(inbox)
        if placement is None or placement.cell != self._name:
            return
        if placement.waits_elsewhere or placement.has_moved_since(self._clock() - KEPT_SECONDS):
            self._send(Forward(inbox, has_come=True))
            count("InboxFetched")

    def _is_here(self, placement: Placement | None, messages: Sequence[DirectMessage], *, is_connected: bool) -> bool:
        if placement is None:
            return is_connected
        outlasts = placement.expires_at >= max(message.expires_at for message in messages)
        return placement.cell == self._name and (is_connected or outlasts)

    def _placement(self, inbox: Inbox) -> Placement | None:
        name = name_of_player(inbox.player_id)
        with self._asking("it is not known which cell the player is on"):
            return self._placements.get(inbox.tenant_id, [name]).get(name)

    def _send(self, request: Forward) -> None:
        with self._asking("the hub does not take the request"):
            self._hub.send_all([request.to_message()])

    @contextmanager
    def _asking(self, failure: str) -> Iterator[None]:
        """Turn a missing answer into a HubUnreachableError, at once if the hub did not answer a moment ago."""
        if self._clock() < self._away_until:
            raise HubUnreachableError(f"{failure}: it did not answer a moment ago")
        try:
            yield
        except TransientError as error:
            self._away_until = self._clock() + _AWAY_SECONDS
            raise HubUnreachableError(f"{failure}: {error}") from error
