"""Invariant 14: clients are let in at the account's rate."""

from typing import TYPE_CHECKING

from functions.sessions.session_api.admission import HEADROOM
from tests.simulation.watch import Observer, holds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.simulation.system import SimulatedInvocation, SimulatedSystem
    from tests.support.dynamodb.engine import Write

APART = "14: slots are as far apart as the rate says"
SLOTS = "14: no more clients are let in than slots are due"

EARLY_SECONDS = 0.3
"""Time by which a client may come before its slot."""

_ROUNDING_SECONDS = 0.001


class AdmissionInvariant(Observer):
    """Keeps the slots of the hub's line, and counts the clients that are let in."""

    def __init__(self, system: "SimulatedSystem") -> None:
        super().__init__(system)
        self._slots: list[float] = []
        self._let_in = 0

    def written(self, writes: "Sequence[Write]", invocation: "SimulatedInvocation | None") -> None:
        """Check each slot that is given."""
        del invocation
        for write in writes:
            if write.table == "limits" and write.key[0].startswith(":line:") and write.new is not None:
                old, new = write.old or {}, write.new
                if "slotEnd" in new and new["slotEnd"] != old.get("slotEnd"):
                    self._given(int(new["slotEnd"]["N"]) / 1e6, int(old.get("slotEnd", {"N": "0"})["N"]) / 1e6)

    def _given(self, end: float, before: float) -> None:
        slot = end - 1 / (self.system.connects_per_second * HEADROOM)
        holds(
            that=slot >= before - _ROUNDING_SECONDS,
            invariant=APART,
            text=f"a slot at {slot:.3f} is given, and those up to {before:.3f} were given before",
        )
        self._slots.append(slot)

    def invocation_over(self, invocation: "SimulatedInvocation") -> None:
        """Check that a client that is let in has a slot; without an answer of the line it needs none."""
        if not self.system.connects_per_second or invocation.function != "session_api" or invocation.answer is None:
            return
        self._let_in += invocation.answer["statusCode"] == 200
        latest = self.system.scheduler.now + EARLY_SECONDS + _ROUNDING_SECONDS
        due = sum(slot <= latest for slot in self._slots)
        holds(
            that=self._let_in <= due + self.system.unanswered,
            invariant=SLOTS,
            text=f"{self._let_in} clients are let in, {due} slots are due, {self.system.unanswered} calls unanswered",
        )
