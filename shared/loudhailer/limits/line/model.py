"""Slots and appointments: the times that clients are given while more come than an account lets in."""

from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    """A kind of times that clients are given one after the other."""

    SLOT = "slot"
    """One client may connect at that time."""

    APPOINTMENT = "appointment"
    """One client is to ask again at that time, for a slot."""


@dataclass(frozen=True, slots=True)
class Turn:
    """A time that was promised to a client of a session, in epoch seconds, whole microseconds."""

    kind: Kind
    at: float


@dataclass(frozen=True, slots=True)
class LineEnds:
    """The times up to which slots and appointments were given, in epoch seconds; 0 if there were none."""

    slot: float = 0.0
    appointment: float = 0.0

    def of(self, kind: Kind) -> float:
        """Return the end of a kind."""
        return self.slot if kind is Kind.SLOT else self.appointment

    @property
    def last(self) -> float:
        """The later of the two ends."""
        return max(self.slot, self.appointment)
