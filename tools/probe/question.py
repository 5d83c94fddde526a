"""The form of a question to AWS, and of its answer."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, Any

from tools.planner.prices import GATEWAY_MESSAGES

if TYPE_CHECKING:
    from tools.probe.site import Site

UNDECIDED = "undecided"
"""The verdict where the question was asked, and what was seen fits no answer."""


class Need(Enum):
    """The things that a question is asked of."""

    API = "an API of the probe's own"
    QUEUES = "two queues of the probe's own"
    TENANT = "the deployment, in a tenant of the probe's own"
    QUOTA = "the whole quota of the account, which --use-up-quota allows, and a caller, named by --caller-profile"


@dataclass(frozen=True)
class Answer:
    """An answer.

    Attributes:
        verdict: one of the question's verdicts, or `UNDECIDED`.
        seen: the observations that led to it, as JSON.
    """

    verdict: str
    seen: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Question:
    """One question.

    Attributes:
        name: its name on the command line.
        asks: the question, in one sentence.
        asked: the way in which it is asked.
        read: the way in which the answer is read.
        assumes: the verdict that the project assumes.
        stand_in: the verdict of the gateway stand-in.
        changes: each verdict, and its consequence for the project.
        needs: the thing that it is asked of.
        seconds: the time that it takes.
        messages: the messages that it costs at most, each of 32 KB or less.
        is_long: it waits for minutes, so it is asked with `--long` alone.
        ask: asks it.
    """

    name: str
    asks: str
    asked: str
    read: str
    assumes: str
    stand_in: str
    changes: Mapping[str, str]
    needs: Need
    seconds: int
    messages: int
    is_long: bool = False
    ask: "Callable[[Site], Awaitable[Answer]]"

    @property
    def cost(self) -> Decimal:
        """The price of its messages in US dollars; all else that it uses costs less than a hundredth of a cent."""
        return GATEWAY_MESSAGES.of(Decimal(self.messages))
