"""In which order accounts get a release: one canary, then a few, then all the others."""

from collections.abc import Sequence

from tools.errors import OperatorError
from tools.release.environment import OtherAccount

_EARLY_SHARE = 4


def waves[Account: OtherAccount](accounts: Sequence[Account], canary: str | None = None) -> list[list[Account]]:
    """Return the canary; a quarter of the others, one at least; the rest. Empty waves are omitted.

    The canary is the first of the map, or the one that is named; OperatorError if there is none of that name.
    """
    if not accounts:
        return []
    first = next((each for each in accounts if canary in (None, each.name)), None)
    if first is None:
        names = ", ".join(each.name for each in accounts)
        raise OperatorError(f"There is no {accounts[0].kind} {canary!r} to begin with.", f"Choose one of: {names}.")
    others = [each for each in accounts if each is not first]
    early = -(-len(others) // _EARLY_SHARE)
    return [wave for wave in ([first], others[:early], others[early:]) if wave]
