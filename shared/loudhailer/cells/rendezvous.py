"""Weighted rendezvous hashing: it ranks the cells for a key.

Each cell draws a number for the key, and the best one wins. So a further cell takes over its part of the keys, and none
move between the others. Every function computes the same result without a request.
"""

import math
from collections.abc import Mapping
from fractions import Fraction
from hashlib import blake2b

from loudhailer.ids import CellName

_BITS = 52
"""Bits of a number below 1 that a float holds exactly; half a unit is added, so that it is neither 0 nor 1."""


def ranked(key: str, weights: Mapping[CellName, float]) -> list[CellName]:
    """Return the cells with a weight above 0, the best one for the key first."""
    scores = {cell: _score(key, cell, weight) for cell, weight in weights.items() if weight > 0}
    return sorted(scores, key=lambda cell: (-scores[cell], cell))


def homes(tenant: str, connections: int, weights: Mapping[CellName, float], *, home_connections: int) -> list[CellName]:
    """Return the cells over which a tenant's connections are divided: one for each `home_connections` begun."""
    return ranked(tenant, weights)[: max(1, math.ceil(connections / home_connections))]


def share(limit: int, cell: CellName, weights: Mapping[CellName, float]) -> int:
    """Return a cell's part of a limit that is divided over the cells with these weights.

    The parts add up to the limit, or each is 1 if there are more cells than that. A cell without a weight has the
    largest part, so that it can replace any other; without any weight the limit is undivided.
    """
    exact = {each: Fraction(weights[each]) for each in sorted(weights)}
    total = sum(exact.values())
    if not total:
        return limit
    parts = {each: math.floor(limit * weight / total) for each, weight in exact.items()}
    for each in list(parts)[: limit - sum(parts.values())]:
        parts[each] += 1
    return max(1, parts.get(cell, max(parts.values())))


def _score(key: str, cell: CellName, weight: float) -> float:
    """Return a cell's score: https://en.wikipedia.org/wiki/Rendezvous_hashing#Weighted_rendezvous_hash."""
    digest = blake2b(f"{cell}#{key}".encode(), digest_size=8).digest()
    drawn = ((int.from_bytes(digest) >> (64 - _BITS)) + 0.5) / 2**_BITS
    return -weight / math.log(drawn)
