"""Faults of the shipped code that the simulation has found and that are not mended yet.

Each is off: what provokes it does not happen, or what it breaks is not looked at. `--with NAME` switches it on.
`docs/testing.md` lists them. Whoever mends one takes its entry away.
"""

from collections.abc import Mapping

LONG_STALLS = "long-stalls"
INDEX_REPLICAS = "index-replicas"
REFUSED_AGAIN = "refused-again"

KNOWN: Mapping[str, str] = {
    LONG_STALLS: "While `accounting` stands still for minutes, and in each partition as many connections went as came,"
    " `reconcile` takes off the total what is still to be released.",
    INDEX_REPLICAS: "A wake that has seen a connection in the index once believes the next read, which may ask another"
    " replica: a message may lie while its receiver is online.",
    REFUSED_AGAIN: "A frame of the silo or the pool that is delivered again may be refused, for its sender's limit or"
    " because that has left, though others have it; the rest of the session never gets it.",
}
"""What is wrong, by the name that switches it on."""
