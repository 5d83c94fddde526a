"""Grants: the channels that a session may subscribe to or publish to."""

from dataclasses import dataclass
from typing import Literal, Self

from loudhailer import codec, ids
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import Pattern

MOST_PATTERNS = 50
MOST_BYTES = 2_048
"""Bytes of the grants as JSON: every frame reads them with its session, and a read of 4 KB costs one unit."""

_FORM = f"must be up to {MOST_PATTERNS} patterns with s, p or sp, of {MOST_BYTES} bytes together"

type Right = Literal["s", "p"]
"""To subscribe to channels and read them, or to publish to them."""


@dataclass(frozen=True, slots=True)
class Grants:
    """Patterns with rights, in the order of the patterns."""

    rights: tuple[tuple[Pattern, str], ...] = ()

    @classmethod
    def from_wire(cls, value: object, field: str = "grants") -> Self:
        """Read grants such as `{"news/*": "s", "chat/*": "sp"}`; InvalidFieldError for anything else."""
        if not isinstance(value, dict) or len(value) > MOST_PATTERNS or len(codec.encode(value)) > MOST_BYTES:
            raise InvalidFieldError(field, _FORM)
        if any(rights not in ("s", "p", "sp") for rights in value.values()):
            raise InvalidFieldError(field, _FORM)
        return cls(tuple(sorted((ids.pattern(pattern, field), rights) for pattern, rights in value.items())))

    def allow(self, pattern: Pattern, right: Right) -> bool:
        """Tell whether a grant with this right equals the pattern, or covers it."""
        return any(right in rights and _covers(granted, pattern) for granted, rights in self.rights)


NO_GRANTS = Grants()


def _covers(granted: Pattern, pattern: Pattern) -> bool:
    return granted == pattern or (granted.endswith("/*") and pattern.startswith(granted.removesuffix("*")))
