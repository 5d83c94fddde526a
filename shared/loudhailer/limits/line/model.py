"""Slots and appointments: the times that clients get while more arrive than an account lets in."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of times that are given to clients one after the other."""

    SLOT = "slot"
    """The time at which one client may connect."""

    APPOINTMENT = "appointment"
    """The time at which one client is to ask again, for a slot."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A slot or appointment of a client of a session, in epoch seconds, whole microseconds."""

    kind: Kind
    at: float


@dataclass(frozen=True, slots=True)
class LineEnds:
    """The times up to which slots and appointments were given, in epoch seconds; 0 if there were none."""

    slot: float = 0.0
    appointment: float = 0.0

    def of(self, kind: Kind) -> float:
        """Return the end of one kind of times."""
        return self.slot if kind is Kind.SLOT else self.appointment

    @property
    def last(self) -> float:
        """Return the later of the two ends."""
        return max(self.slot, self.appointment)
