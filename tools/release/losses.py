"""Tables, queues and APIs that a plan would destroy: no version may need them, and an operator must allow it."""

import re
from collections.abc import Callable, Mapping

from tools.errors import OperatorError
from tools.release.plan import PlanSummary

_WORD = re.compile(r"[\w.-]+")

_SOURCES = (
    "If nobody meant that, the Terraform sources are older than those applied last: `make current` names their commit."
)


def require_no_loss(
    summary: PlanSummary,
    versions: Mapping[str, Mapping[str, str]],
    messages: Callable[[str], int],
    *,
    allowed: bool,
) -> None:
    """Raise OperatorError if a plan destroys a table or queue that a version uses, or whose loss is not allowed.

    So it does for a queue that still has messages, for an index of a table, and for an API.

    Args:
        summary: the plan.
        versions: the variables of the versions that run or may be returned to, by `<function>:<version>`.
        messages: returns the number of messages in the queue of a URL.
        allowed: the operator has allowed to destroy all of these.
    """
    lost = summary.lost
    needed = {
        version: sorted(lost.keys() & {word for value in variables.values() for word in _WORD.findall(value)})
        for version, variables in versions.items()
        if version.rpartition(":")[0] not in summary.lost_functions
    }
    if users := [version for version, names in needed.items() if names]:
        names = sorted({name for found in needed.values() for name in found})
        raise OperatorError(
            f"The plan destroys {', '.join(names)}, which {', '.join(users)} works with.",
            f"{_SOURCES} Else promote a release that leaves it first: docs/runbook.md says how.",
        )
    if summary.missed and not allowed:
        raise OperatorError(
            f"The plan destroys {', '.join(sorted(summary.missed))}, with what it holds.",
            f"{_SOURCES} If it is meant, say so: ALLOW_DESTROY=true.",
        )
    require_empty(summary.lost_queues, messages)


def require_empty(queues: Mapping[str, str], messages: Callable[[str], int]) -> None:
    """Raise OperatorError if a queue that a plan destroys still has messages; the queues' names by their URLs."""
    if full := sorted(name for url, name in queues.items() if messages(url)):
        raise OperatorError(
            f"The plan destroys {', '.join(full)}, which still has messages.",
            "Wait until they are handled, or purge the queue if nobody needs them; then plan again.",
        )
