"""The answers of a run as JSON and as a table, and the page of all questions."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from tools.probe.interview import Result
from tools.probe.question import Question

_VERSION = 1


@dataclass(frozen=True, kw_only=True)
class ProbeReport:
    """A run.

    Attributes:
        is_aws: it was AWS that was asked, not the stand-in.
        left_out: the names of the questions that were not asked, each with the reason.
        interrupted: the names of the questions that were being asked when the run was interrupted.
    """

    environment: str
    account: str
    region: str
    is_aws: bool
    asked_at: datetime
    results: Sequence[Result]
    left_out: Mapping[str, str]
    interrupted: Sequence[str] = ()

    def to_wire(self) -> dict[str, Any]:
        """Return the run as JSON has it."""
        return {
            "version": _VERSION,
            "askedAt": self.asked_at.isoformat(timespec="seconds"),
            "environment": self.environment,
            "account": self.account,
            "region": self.region,
            "asked": "AWS" if self.is_aws else "the gateway stand-in",
            "interrupted": list(self.interrupted),
            "answers": [
                {
                    "name": result.question.name,
                    "question": result.question.asks,
                    "verdict": result.verdict,
                    "assumed": result.question.assumes,
                    "changes": result.question.changes.get(result.verdict, ""),
                    "seen": {} if result.answer is None else dict(result.answer.seen),
                    "problem": result.problem,
                    "seconds": result.seconds,
                }
                for result in self.results
            ],
            "leftOut": dict(self.left_out),
        }

    def to_json(self) -> str:
        """Return the run as a JSON text."""
        return json.dumps(self.to_wire(), indent=2, ensure_ascii=False) + "\n"

    def to_markdown(self) -> str:
        """Return the answers as a table."""
        wire = self.to_wire()
        place = f"Account {self.account}, {self.region}, {self.environment}."
        head = f"# Answers of {wire['asked']}, {wire['askedAt']}\n\n{place}"
        rows = [
            (each["question"], each["verdict"], each["assumed"], each["changes"] or each["problem"])
            for each in wire["answers"]
        ]
        parts = [head, _table(("question", "answer", "assumed", "consequence"), rows)]
        if self.interrupted:
            parts.append(f"The run was interrupted while it asked: {', '.join(self.interrupted)}.")
        if self.left_out:
            parts.append(_table(("not asked", "reason"), [(f"`{name}`", why) for name, why in self.left_out.items()]))
        return "\n\n".join(parts) + "\n"

    def write(self, folder: Path) -> list[Path]:
        """Write both files, named by date and environment, and return their paths."""
        folder.mkdir(parents=True, exist_ok=True)
        stem = f"aws-answers-{self.asked_at:%Y-%m-%dT%H%M%SZ}-{self.environment}"
        files = {folder / f"{stem}.json": self.to_json(), folder / f"{stem}.md": self.to_markdown()}
        for path, text in files.items():
            path.write_text(text)
        return list(files)


_INTRODUCTION = """\
# Answers of AWS

No document of AWS answers these questions. `loudhailer probe` asks them of an account of AWS, or of the local stack
with its gateway stand-in. {asked}

This page is made by `python -m tools.probe`, of the questions in `tools/probe/questions` and of the runs in
[docs/aws-answers](aws-answers/README.md). A test compares it.

## Summary
"""


def page(questions: Sequence[Question], runs: Iterable[Mapping[str, Any]]) -> str:
    """Return the page `docs/aws-answers.md`; `runs` are those of AWS, by `ProbeReport.to_wire`, the oldest first."""
    answers = {
        answer["name"]: (run, answer) for run in runs for answer in run["answers"] if answer["verdict"] != "failed"
    }
    never = [question.name for question in questions if question.name not in answers]
    if len(never) == len(questions):
        asked = "**No question was ever asked of AWS.**"
    else:
        asked = f"**{len(questions) - len(never)} of {len(questions)} were asked of AWS.**"
    rows = [
        (
            f"[{question.name}](#{question.name})",
            question.asks,
            question.assumes,
            question.stand_in,
            _of_aws(answers, question),
        )
        for question in questions
    ]
    table = _table(("name", "question", "assumed", "the stand-in", "AWS"), rows)
    return "\n\n".join([_INTRODUCTION.format(asked=asked).rstrip(), table, *map(_section, questions)]) + "\n"


def recorded(folder: Path) -> list[dict[str, Any]]:
    """Return the runs of AWS that a folder has, the oldest first."""
    runs: list[dict[str, Any]] = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json"))]
    return [run for run in runs if run["asked"] == "AWS"]


def _of_aws(answers: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]], question: Question) -> str:
    if question.name not in answers:
        return "never asked"
    run, answer = answers[question.name]
    return f"{answer['verdict']} ({run['askedAt'][:10]}, {run['region']})"


def _section(question: Question) -> str:
    price = f"up to {question.messages:,} messages, {question.cost:.4f} USD" if question.messages else "no messages"
    assumed = {question.assumes: " (assumed)"}
    changes = "\n".join(
        f"- *{verdict}*{assumed.get(verdict, '')}: {text}" for verdict, text in question.changes.items()
    )
    return (
        f"## {question.name}\n\n{question.asks}\n\n**Asked.** {question.asked}\n\n**Read.** {question.read}\n\n"
        f"**Needs** {question.needs.value}. It takes {_time(question.seconds)} and costs {price}.\n\n{changes}"
    )


def _time(seconds: int) -> str:
    return f"{seconds} s" if seconds < 120 else f"{round(seconds / 60)} minutes"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in line)} |" for line in lines)
