"""`loudhailer probe`: ask an account of AWS what no document says, and write the answers down."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, override

import typer
import uvloop
from rich.table import Table

from tools.cli.workplace import Workplace
from tools.client.http import Sign
from tools.console import Terminal
from tools.errors import OperatorError
from tools.probe import own_api, own_queues, own_tenant
from tools.probe.interview import Interview, left_out
from tools.probe.question import Need, Question
from tools.probe.questions import named
from tools.probe.report import Report
from tools.probe.site import Pace, Site
from tools.release.cloud import LOCAL, Cloud
from tools.release.environment import Environment
from tools.release.promotion import Promotion
from tools.stack.deployment import Deployment
from tools.stack.project import Project

_LOCAL_POSTS_PER_SECOND = 250.0
"""Nobody else uses the quota of a local stack."""


@dataclass(frozen=True)
class _CloudDeployment(Deployment):
    """A deployment with the clients of an account that is signed in to."""

    cloud: Cloud = field(kw_only=True)

    @override
    def client(self, service: str, endpoint: str | None = None) -> Any:
        return self.cloud.session.client(service, endpoint_url=endpoint or self.cloud.endpoint)  # type: ignore[call-overload] # the caller knows its type


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
    json: Annotated[bool, typer.Option("--json", help="Show the answers as JSON.")] = False,
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
    project = Project.of_this_code()
    home = Environment.of(project, environment)
    _require_account(home, account)
    known = home if region is None or home.name == LOCAL else replace(home, region=region)
    place = _Place.of(workplace, project, known)
    place.cloud.require(account)
    if remove:
        terminal.say(f"Removed: {place.remove_left()}.")
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
    report, ending = _asked(place, questions, site, reasons, terminal)
    terminal.say(f"Written: {', '.join(map(str, report.write(into)))}")
    terminal.show(report.to_json().rstrip() if json else _table_of(report))
    if ending is not None:
        raise ending
    if failed := [result.question.name for result in report.results if result.answer is None]:
        raise OperatorError(f"These questions could not be asked: {', '.join(failed)}.", "The files have the errors.")


@dataclass(frozen=True)
class _Place:
    """An environment, and the way to its account and its deployment."""

    environment: Environment
    cloud: Cloud
    outputs: Callable[[], dict[str, Any]]

    @classmethod
    def of(cls, workplace: Workplace, project: Project, environment: Environment) -> "_Place":
        """Return the running local stack, or the hub of another environment with the credentials that are there."""
        stack = workplace.stack()
        if environment.name == LOCAL:
            return cls(environment, Cloud.local(stack), lambda: workplace.deployment().outputs)
        cloud = Cloud.signed_in(environment.region)
        home = stack.directory.path.parent / "release"
        return cls(environment, cloud, Promotion(project, environment, cloud, workplace.terminal, home).outputs)

    @contextmanager
    def site(self, questions: Sequence[Question], site: Site) -> Iterator[Site]:
        """Make what the questions need, for the block."""
        needs = {question.needs for question in questions}
        with ExitStack() as exits:
            if needs & {Need.API, Need.QUOTA}:
                site = self._with_api(site, exits.enter_context(own_api.own_api(self.cloud.client("apigatewayv2"))))
            if Need.QUEUES in needs:
                queues = exits.enter_context(own_queues.own_queues(self.cloud.client("sqs")))
                site = replace(site, own_queues=queues)
            if Need.TENANT in needs:
                tenant = exits.enter_context(own_tenant.own_tenant(self.deployment(), self.cloud.sign))
                outputs = tenant.deployment.outputs
                site = replace(
                    site,
                    own_tenant=tenant,
                    http_url=str(outputs["http_url"]).rstrip("/"),
                    callback_url=str(outputs["callback_endpoint"]),
                )
            yield site

    def _with_api(self, site: Site, api: str) -> Site:
        now = datetime.now(UTC)
        metric = own_api.metric_of(self.cloud.client("cloudwatch"), api, now, lambda: datetime.now(UTC))
        if self.cloud.endpoint is None:
            url = self.cloud.client("apigatewayv2").get_api(ApiId=api)["ApiEndpoint"]
        else:  # the stand-in serves all APIs under one host
            url = f"{self.outputs()['websocket_url'].rsplit('/', 2)[0]}/{api}"
        return replace(site, api_url=url, metric=metric)

    def deployment(self) -> Deployment:
        """Return the deployment, with the clients of the account."""
        return _CloudDeployment(
            self.cloud.endpoint or "", "", self.outputs(), self.environment.account_id, cloud=self.cloud
        )

    def remove_left(self) -> str:
        """Remove what is left of probes that were killed; a sentence about it."""
        apis = own_api.remove_left(self.cloud.client("apigatewayv2"))
        queues = own_queues.remove_left(self.cloud.client("sqs"))
        deployment = self.deployment()
        standing = not own_tenant.absent(deployment)
        if standing:
            own_tenant.erase(deployment)
        return f"{apis} APIs, {queues} queues, {int(standing)} tenants"


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


def _asked(
    place: _Place, questions: Sequence[Question], site: Site, reasons: dict[str, str], terminal: Terminal
) -> tuple[Report, BaseException | None]:
    """Ask, and return the answers, and the interrupt or the error that ended the run before its time."""
    started = datetime.now(UTC)
    ending: BaseException | None = None
    with terminal.bar("Asking", len(questions)) as bar:
        interview = Interview(questions, lambda done, name: bar.update(done, len(questions), name))
        try:
            with place.site(questions, site) as ready, asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(interview(ready))
        except BaseException as error:
            if not interview.asking and not interview.results:
                raise
            ending = error
    report = Report(
        environment=place.environment.name,
        account=place.environment.account_id,
        region=place.environment.region,
        is_aws=place.environment.name != LOCAL,
        asked_at=started,
        results=interview.results,
        left_out=reasons,
        interrupted=sorted(interview.asking),
    )
    return report, ending


def _list_of(questions: Sequence[Question]) -> Table:
    table = Table("name", "question", "seconds", "messages", "needs")
    for question in questions:
        needs = f"{question.needs.value}{', and --long' if question.is_long else ''}"
        table.add_row(question.name, question.asks, str(question.seconds), f"{question.messages:,}", needs)
    return table


def _table_of(report: Report) -> Table:
    table = Table("question", "answer", "assumed", "consequence")
    for result in report.results:
        consequence = result.question.changes.get(result.verdict, result.problem)
        table.add_row(result.question.name, result.verdict, result.question.assumes, consequence)
    for name, why in report.left_out.items():
        table.add_row(name, "not asked", "", why)
    return table
