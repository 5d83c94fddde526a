"""One run of the probe: questions are asked one after the other, but long waits run in parallel."""

import asyncio
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from tools.console import shortened
from tools.probe.question import Answer, Need, Question
from tools.probe.site import Pace, Site

_LONGEST_PROBLEM = 200


@dataclass(frozen=True)
class Result:
    """A question that was asked; its answer, or the error that it ended with."""

    question: Question
    seconds: float
    answer: Answer | None
    problem: str = ""

    @property
    def verdict(self) -> str:
        """The verdict, or a text if there is none."""
        return "failed" if self.answer is None else self.answer.verdict


@dataclass
class Interview:
    """Asks questions.

    Attributes:
        questions: the questions.
        progressed: receives the number of answered questions, and the name of the next one.
        results: the results so far; they stay if the run is interrupted.
        asking: the names of the questions that are being asked.
    """

    questions: Sequence[Question]
    progressed: Callable[[int, str], None] = lambda _done, _name: None
    results: list[Result] = field(default_factory=list)
    asking: set[str] = field(default_factory=set)

    async def __call__(self, site: Site) -> None:
        """Ask them all. One that fails does not end the others."""
        async with site:
            for question in self.questions:
                if not question.is_long:
                    await self._ask(question, site)
            await asyncio.gather(*(self._ask(question, site) for question in self.questions if question.is_long))

    async def _ask(self, question: Question, site: Site) -> None:
        self.asking.add(question.name)
        self.progressed(len(self.results), question.name)
        started = time.monotonic()
        answer, problem = None, ""
        try:
            answer = await question.ask(site)
        except Exception as error:  # noqa: BLE001 - the others are asked all the same, and the report has the error
            problem = shortened(f"{type(error).__name__}: {error}", _LONGEST_PROBLEM)
        self.asking.remove(question.name)
        self.results.append(Result(question, round(time.monotonic() - started, 1), answer, problem))
        self.progressed(len(self.results), question.name)


def left_out(
    questions: Sequence[Question], *, long: bool, pace: Pace, has_caller: bool, is_home: bool = True
) -> dict[str, str]:
    """Return the names of the questions that are not asked, each with the reason.

    `is_home` says that the Region is the deployment's.
    """
    reasons = {}
    for question in questions:
        if question.is_long and not long:
            reasons[question.name] = "it waits for minutes; --long asks it"
        elif question.needs is Need.TENANT and not is_home:
            reasons[question.name] = "it needs the deployment, which is in another Region"
        elif question.needs is Need.QUOTA and (pace.flood_posts_per_second is None or not has_caller):
            reasons[question.name] = f"it needs {question.needs.value}"
    return reasons
