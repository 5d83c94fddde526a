"""Faults of the shipped code that the simulation has found and that are not mended yet.

Each is off: what provokes it does not happen, or what it breaks is not looked at. `--with NAME` switches it on.
`docs/testing.md` lists them. Whoever mends one takes its entry away.
"""

from collections.abc import Mapping

LONG_STALLS = "long-stalls"
LATE_BROADCASTS = "late-broadcasts"

KNOWN: Mapping[str, str] = {
    LONG_STALLS: "While `accounting` stands still for minutes, and in each partition as many connections went as came,"
    " `reconcile` takes off the total what is still to be released.",
    LATE_BROADCASTS: "The report of a broadcast that is over before all its recipients are found does not show it.",
}
"""What is wrong, by the name that switches it on."""
