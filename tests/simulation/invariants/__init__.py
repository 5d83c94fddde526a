"""The invariants, in groups that look at the same things."""

from collections.abc import Sequence

from tests.simulation.invariants.admission import AdmissionInvariant
from tests.simulation.invariants.broadcasts import Broadcasts
from tests.simulation.invariants.cells import CellsInvariant
from tests.simulation.invariants.channels import Channels
from tests.simulation.invariants.counting import Counting
from tests.simulation.invariants.erasure import Erasure
from tests.simulation.invariants.lanes import LanesInvariant
from tests.simulation.invariants.messages import Messages
from tests.simulation.invariants.publications import Publications
from tests.simulation.invariants.sessions import Sessions
from tests.simulation.watch import Observer

OBSERVERS: Sequence[type[Observer]] = (
    Counting,
    Sessions,
    Broadcasts,
    Messages,
    Erasure,
    LanesInvariant,
    CellsInvariant,
    AdmissionInvariant,
    Channels,
    Publications,
)
