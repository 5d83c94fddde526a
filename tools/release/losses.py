"""Tables and queues that a plan would destroy: no version may need them any more, and somebody must have said so."""

import re
from collections.abc import Mapping

from tools.errors import OperatorError
from tools.release.plan import PlanSummary

_WORD = re.compile(r"[\w.-]+")

_SOURCES = (
    "If nobody meant that, the Terraform sources are older than those applied last: `make current` names their commit."
)


def require_no_loss(summary: PlanSummary, versions: Mapping[str, Mapping[str, str]], *, allowed: bool) -> None:
    """Raise OperatorError if a plan destroys a table or queue that a version works with, or that nobody gave up.

    Args:
        summary: the plan.
        versions: the variables of the versions that run or may be returned to, by `<function>:<version>`.
        allowed: whether somebody has said that tables and queues may be destroyed.
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
    if lost and not allowed:
        raise OperatorError(
            f"The plan destroys {', '.join(sorted(lost.values()))}, with what it holds.",
            f"{_SOURCES} If it is meant, say so: ALLOW_DESTROY=true.",
        )
