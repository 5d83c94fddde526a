"""`loudhailer probe`: ask an account of AWS what no document says, and write the answers down."""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from tools.cli.workplace import Workplace
from tools.client.http import Sign
from tools.errors import OperatorError
from tools.probe.interview import left_out
from tools.probe.place import ProbePlace, asked
from tools.probe.question import Need, Question
from tools.probe.questions import named
from tools.probe.report import ProbeReport
from tools.probe.site import Pace, Site
from tools.release.cloud import LOCAL, Cloud
from tools.release.environment import Environment
from tools.stack.project import Project

_LOCAL_POSTS_PER_SECOND = 250.0
"""Nobody else uses the quota of a local stack."""


def probe(
    context: typer.Context,
    environment: Annotated[
        str, typer.Argument(metavar="ENVIRONMENT", envvar="ENVIRONMENT", help="dev, staging, production, or local.")
    ],
    *,
    account: Annotated[str, typer.Option(help="The account's id: no other one is asked.")] = "",
    only: Annotated[list[str] | None, typer.Option(help="Ask this question; may be given again.")] = None,
    long: Annotated[bool, typer.Option("--long", help="Ask questions that wait for minutes, too.")] = False,
    use_up_quota: Annotated[
        float | None,
        typer.Option(
            min=1,
            max=15_000,
            metavar="POSTS_PER_SECOND",
            help="Use up the account's quota for seconds, by posts above it: all its APIs are throttled meanwhile.",
        ),
    ] = None,
    caller_profile: Annotated[
        str | None, typer.Option(help="AWS profile of a role of the account that another account assumes.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Another Region, for questions to an API of the probe's own only.")
    ] = None,
    into: Annotated[Path, typer.Option(help="Folder for the two files with the answers.")] = Path(),
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask before it costs anything.")] = False,
    show_list: Annotated[bool, typer.Option("--list", help="Show the questions, and ask none.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Remove what a probe left that was killed.")] = False,
) -> None:
    """Ask an account of AWS what no document says, and write the answers down; see docs/aws-answers.md.

    It makes an API, two queues and a tenant of its own, touches nothing else, and removes them in the end.
    """
    workplace = Workplace.of(context)
    terminal = workplace.terminal
    questions = named(only or ())
    if show_list:
        terminal.show(_list_of(questions))
        return
    home = Environment.of(Project.of_this_code(), environment)
    _require_account(home, account)
    known = home if region is None or home.name == LOCAL else replace(home, region=region)
    place = ProbePlace.of(workplace.stack(), known)
    place.cloud.require(account)
    if remove:
        removed = place.remove_left()
        terminal.show(removed if terminal.shows_json else f"Removed: {removed}.", name="removed")
        return
    rate = _LOCAL_POSTS_PER_SECOND if known.name == LOCAL else Pace.posts_per_second
    pace = Pace(posts_per_second=rate, flood_posts_per_second=use_up_quota)
    caller = None if caller_profile is None else _caller(place.cloud, caller_profile)
    reasons = left_out(
        questions, long=long, pace=pace, has_caller=caller is not None, is_home=known.region == home.region
    )
    questions = [question for question in questions if question.name not in reasons]
    if not questions:
        raise OperatorError(f"No question is asked: {'; '.join(f'{name}: {why}' for name, why in reasons.items())}.")
    if known.name != LOCAL and not yes:
        typer.confirm(_warning(questions, known), abort=True)
    site = Site(sign=place.cloud.sign, pace=pace, caller=caller)
    report, ending = asked(place, questions, site, reasons, terminal)
    terminal.say(f"Written: {', '.join(map(str, report.write(into)))}")
    if terminal.shows_json:
        terminal.write(report.to_json().rstrip())
    else:
        terminal.show(_table_of(report))
    if ending is not None:
        raise ending
    if failed := [result.question.name for result in report.results if result.answer is None]:
        raise OperatorError(f"These questions could not be asked: {', '.join(failed)}.", "The files have the errors.")


def _require_account(environment: Environment, account: str) -> None:
    if account != environment.account_id:
        raise OperatorError(
            f"{environment.name} is in account {environment.account_id}, and --account says {account or 'nothing'}.",
            f"If that is the account to ask, say --account {environment.account_id}.",
        )


def _caller(cloud: Cloud, profile: str) -> Sign:
    import boto3  # noqa: PLC0415 - a quarter of a second, as in `Cloud`

    return replace(cloud, session=boto3.Session(profile_name=profile, region_name=cloud.session.region_name)).sign


def _warning(questions: Sequence[Question], environment: Environment) -> str:
    seconds = sum(question.seconds for question in questions if not question.is_long)
    seconds += max((question.seconds for question in questions if question.is_long), default=0)
    needs = {question.needs for question in questions}
    cost = sum((question.cost for question in questions), Decimal(0))
    return (
        f"Ask {len(questions)} questions of account {environment.account_id} in {environment.region}? "
        f"It takes about {max(1, round(seconds / 60))} minutes and costs at most {cost:.3f} USD."
        + (" All APIs of the account in that Region are throttled for seconds." if Need.QUOTA in needs else "")
    )


def _list_of(questions: Sequence[Question]) -> Table:
    table = Table("name", "question", "seconds", "messages", "needs")
    for question in questions:
        needs = f"{question.needs.value}{', and --long' if question.is_long else ''}"
        table.add_row(question.name, question.asks, str(question.seconds), f"{question.messages:,}", needs)
    return table


def _table_of(report: ProbeReport) -> Table:
    table = Table("question", "answer", "assumed", "consequence")
    for result in report.results:
        consequence = result.question.changes.get(result.verdict, result.problem)
        table.add_row(result.question.name, result.verdict, result.question.assumes, consequence)
    for name, why in report.left_out.items():
        table.add_row(name, "not asked", "", why)
    return table
