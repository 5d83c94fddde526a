"""Run a step of the workflows that release.

Without `--cell` and `--subscriber` a command is about the hub. Credentials are taken from where AWS's own tools take
them; the environment `local` is the running local stack.
"""

import asyncio
import json
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from tools.cli.workplace import Workplace
from tools.errors import OperatorError
from tools.release.cloud import LOCAL, Cloud
from tools.release.environment import Cell, Environment, OtherAccount, Subscriber
from tools.release.health import SyntheticBroadcast
from tools.release.manifest import Image, Manifest, commit_of
from tools.release.promotion import Promotion
from tools.release.shift import Steps
from tools.release.signature import ReleaseSigner
from tools.release.store import Manifests
from tools.release.waves import waves
from tools.stack.project import Project

app = typer.Typer(add_completion=False, no_args_is_help=True, help=__doc__)


class AccountKind(StrEnum):
    """A kind of accounts that are not the hub's."""

    CELL = Cell.kind
    SUBSCRIBER = Subscriber.kind


_NOTHING = "Nothing has been promoted yet."

EnvironmentName = Annotated[
    str, typer.Argument(metavar="ENVIRONMENT", envvar="ENVIRONMENT", help="dev, staging, production, or local.")
]
SubscriberName = Annotated[
    str | None, typer.Option("--subscriber", envvar="SUBSCRIBER", help="A subscriber of the map, instead of the hub.")
]
CellOfMap = Annotated[
    str | None, typer.Option("--cell", envvar="CELL", help="A further cell of the map, instead of the hub.")
]
Weights = Annotated[
    str, typer.Option("--weights", envvar="WEIGHTS", help="Shares that the new versions get before they get all.")
]
Replaces = Annotated[
    str,
    typer.Option(
        "--replaces", envvar="REPLACES", help="Commits of a main that was rewritten, which it may follow; with commas."
    ),
]
AllowDestroy = Annotated[
    bool, typer.Option("--allow-destroy", envvar="ALLOW_DESTROY", help="Tables, queues and APIs may be destroyed.")
]
Watch = Annotated[float, typer.Option("--watch", envvar="WATCH", min=0, help="Seconds that each step is watched.")]


@app.command("context")
def show_context(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Say which account, Region, roles and repository are concerned; in a workflow, as outputs of the step."""
    known = Environment.of(Project.of_this_code(), environment)
    about = _about(known, subscriber, cell)
    account = about.account_id if about else known.account_id
    values = {
        "account-id": account,
        "region": known.region,
        "plan-role": known.role_arn("plan", account),
        "apply-role": known.role_arn("apply", account),
        "release-role": known.release_role_arn,
        "repository-url": known.repository_url,
        "registry-id": known.images["account_id"],
    }
    table = Table.grid(padding=(0, 2))
    for name, value in values.items():
        table.add_row(name, value)
    _outputs(values)
    Workplace.of(context).terminal.show(table)


@app.command("waves")
def show_waves(
    context: typer.Context,
    environment: EnvironmentName,
    kind: Annotated[AccountKind, typer.Option(envvar="KIND", help="Whose order.")] = AccountKind.SUBSCRIBER,
    canary: Annotated[str | None, typer.Option(envvar="CANARY", help="Who is first. Default: the map's first.")] = None,
) -> None:
    """Say in which order accounts get a release; in a workflow, as outputs `canary`, `early` and `rest`."""
    known = Environment.of(Project.of_this_code(), environment)
    order = [[each.name for each in wave] for wave in waves(known.dependents(kind), canary or None)]
    named = dict.fromkeys(("canary", "early", "rest"), "[]") | {
        name: json.dumps(wave) for name, wave in zip(("canary", "early", "rest"), order, strict=False)
    }
    _outputs(named)
    Workplace.of(context).terminal.show(json.dumps(order))


@app.command()
def stacks(context: typer.Context) -> None:
    """Say which stacks all environments have; in a workflow, as output `stacks` for a matrix."""
    project = Project.of_this_code()
    environments = [Environment.of(project, name) for name in Environment.names(project) if name != LOCAL]
    found = [
        {"environment": known.name} | dict.fromkeys(AccountKind, "") | about
        for known in environments
        for about in ({}, *({each.kind: each.name} for kind in AccountKind for each in known.dependents(kind)))
    ]
    _outputs({"stacks": json.dumps(found)})
    Workplace.of(context).terminal.show(json.dumps(found))


@app.command()
def manifest(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    commit: Annotated[str, typer.Option(envvar="COMMIT", help="The commit that the image was built from.")],
    digest: Annotated[str, typer.Option(envvar="DIGEST", help="The image's digest.")],
) -> None:
    """Write the manifest of the image that was built and pushed."""
    place = Workplace.of(context)
    known = Environment.of(Project.of_this_code(), environment)
    made = Manifest.now(commit, Image(known.repository_url, digest))
    promotion = _promotion(place, known)
    Manifests(promotion.cloud.client("s3"), known.releases_bucket).put(promotion.checked(made))
    place.terminal.show(made.to_json().rstrip())


@app.command()
def sign(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    commit: Annotated[str, typer.Option(envvar="COMMIT", help="The commit that the image was built from.")],
    digest: Annotated[str, typer.Option(envvar="DIGEST", help="The image's digest.")],
    run: Annotated[str, typer.Option(envvar="GITHUB_RUN_ID", help="The id of the workflow's run.")],
) -> None:
    """Sign the image that was pushed, and attest how it was built; in the workflow `release` only."""
    known = Environment.of(Project.of_this_code(), environment)
    made = Manifest.now(commit, Image(known.repository_url, digest))
    ReleaseSigner.of(os.environ).sign(made, run)
    Workplace.of(context).terminal.show(f"{made.image.digest} is signed.")


@app.command()
def verify(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    commit: Annotated[str, typer.Option(envvar="COMMIT", help="The release of this commit.")],
) -> None:
    """Make sure that the workflow `release` has signed and attested a release."""
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment))
    release = promotion.checked(promotion.released(commit))
    signer = ReleaseSigner.of(os.environ)
    signer.verify(release)
    place.terminal.show(f"{release.image.digest} is signed by {signer.identity}.")


@app.command()
def current(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Say which commit runs; in a workflow, as output `commit` of the step, which is empty if none does yet.

    Output `sources` is the commit whose Terraform sources were applied last: another one after a rollback, and after a
    promotion that failed.
    """
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell)
    entry, sources = promotion.history.current(), promotion.history.sources()
    commit = entry.manifest.commit if entry else ""
    _outputs({"commit": commit, "sources": sources})
    place.terminal.show(commit or _NOTHING)
    if sources != commit:
        place.terminal.show(f"The Terraform sources are those of {sources}.")


@app.command()
def plan(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    subscriber: SubscriberName = None,
    cell: CellOfMap = None,
    commit: Annotated[
        str | None, typer.Option(envvar="COMMIT", help="The release of this commit. Default: the one that runs.")
    ] = None,
    manifest_file: Annotated[
        Path | None, typer.Option("--manifest", envvar="MANIFEST", help="The release of a manifest in a file.")
    ] = None,
    replaces: Replaces = "",
    allow_destroy: AllowDestroy = False,
) -> None:
    """Plan a release into a file, and show its changes, the ones that affect cost first.

    A plan that destroys a table or queue is refused, unless it may and no version works with it. If nothing runs yet
    and no release is named, there is no plan, and the summary says so.
    """
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell, replaces)
    release: Manifest | None
    if manifest_file is not None:
        if not manifest_file.is_file():
            raise OperatorError(f"There is no file {manifest_file}.", "Name a release's manifest.")
        release = Manifest.from_json(manifest_file.read_bytes())
    elif commit:
        release = promotion.released(commit)
    else:
        entry = promotion.history.current()
        release = entry.manifest if entry else None
    workspace = promotion.workspace
    if release is None or promotion.waits_for_hub:
        reason = "nothing has been promoted to it yet" if release is None else "the hub does not know it yet"
        workspace.plan_nothing(f"{reason}.")
        _outputs({"folder": os.path.relpath(workspace.plan_folder)})
        advice = "Name the first release by its commit." if release is None else "Promote the hub, then the cell."
    else:
        if commit or manifest_file:
            promotion.require_no_older(release)
        _outputs({"folder": os.path.relpath(workspace.plan_folder)})
        promotion.plan(release, allow_destroy=allow_destroy)
        _outputs({"plan": workspace.fingerprint()})
        about = promotion.about
        stack = f"{environment} --{about.kind} {about.name}" if about else environment
        advice = f"Apply exactly this: loudhailer release apply {stack} --plan {workspace.fingerprint()}"
    _summary(workspace.summary_file.read_text())
    place.terminal.show(workspace.summary_file.read_text())
    place.terminal.show(advice)


@app.command()
def apply(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    subscriber: SubscriberName = None,
    cell: CellOfMap = None,
    plan: Annotated[
        str | None, typer.Option(envvar="PLAN", help="The plan's fingerprint; another plan is refused.")
    ] = None,
    replaces: Replaces = "",
    weights: Weights = "0.1,0.5",
    watch: Watch = 60,
) -> None:
    """Apply the planned file, shift the traffic step by step, and record the release."""
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell, replaces)
    release = asyncio.run(promotion.apply(plan or None, Steps(_numbers(weights), watch)))
    place.terminal.show(f"{promotion.workspace.title} runs {release.image.digest}.")


@app.command()
def rollback(
    context: typer.Context,
    environment: EnvironmentName,
    *,
    subscriber: SubscriberName = None,
    cell: CellOfMap = None,
    allow_destroy: AllowDestroy = False,
    lose_sessions: Annotated[
        bool,
        typer.Option(
            "--lose-sessions", envvar="LOSE_SESSIONS", help="Clients put their sessions anew if the release needs it."
        ),
    ] = False,
    weights: Weights = "0.1,0.5",
    watch: Watch = 60,
) -> None:
    """Return to the previous release: the traffic at once, then the configuration, step by step.

    To be given from the sources that were applied last, which `current` names.
    """
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell)
    steps = Steps(_numbers(weights), watch)
    release = asyncio.run(promotion.roll_back(steps, allow_destroy=allow_destroy, lose_sessions=lose_sessions))
    place.terminal.show(f"{promotion.workspace.title} runs {release.image.digest} of commit {release.commit} again.")


@app.command()
def history(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Show the releases that ran, the newest last."""
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell)
    table = Table("when", "what", "commit", "digest", "Terraform of")
    for entry in promotion.history.all():
        table.add_row(
            entry.recorded_at, entry.action, entry.manifest.commit, entry.manifest.image.digest, entry.sources
        )
    place.terminal.show(table if table.rows else _NOTHING)


@app.command()
def drift(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Compare the deployed stack with the repository and the last release; exit code 1 for a difference."""
    place = Workplace.of(context)
    promotion = _promotion(place, Environment.of(Project.of_this_code(), environment), subscriber, cell)
    title = promotion.workspace.title
    current = promotion.history.current()
    if current is None:
        _summary(f"### Drift: {title}\n\n{_NOTHING}\n")
        place.terminal.show(_NOTHING)
        return
    found = promotion.drift(current.manifest)
    _summary(f"### Drift: {title}\n\n" + ("\n".join(f"- {line}" for line in found) or "None.") + "\n")
    for line in found:
        place.terminal.show(line)
    if found:
        raise OperatorError(f"{title} has drifted in {len(found)} places.", "docs/runbook.md says how to continue.")
    place.terminal.show(f"{title} is as it should be.")


@app.command("cell")
def describe(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Write what the hub says for a cell or a subscriber to a file for its plan, with the hub's credentials."""
    place = Workplace.of(context)
    known = Environment.of(Project.of_this_code(), environment)
    about = _about(known, subscriber, cell)
    if about is None:
        raise OperatorError("The hub needs no description.", "Name a cell or a subscriber.")
    place.terminal.show(str(_promotion(place, known).keep_description(about)))


@app.command()
def health(
    context: typer.Context, environment: EnvironmentName, subscriber: SubscriberName = None, cell: CellOfMap = None
) -> None:
    """Send a synthetic broadcast through each shard of the hub's own, or of a subscriber's, which must deliver it.

    A further cell must renew its lease at the hub, and deliver a broadcast to a client of its own. Each route of the
    WebSocket API, the hub's or the cell's, must answer a frame, too. Functions of the hub that sleep, because nobody
    has invoked them for weeks, are woken.
    """
    place = Workplace.of(context)
    known = Environment.of(Project.of_this_code(), environment)
    about = _about(known, subscriber, cell)
    problems = asyncio.run(_problems(_promotion(place, known), about))
    who = f"{about.name} of {known.name}" if about else known.name
    if problems:
        raise OperatorError(f"{who} is not well: {'; '.join(problems)}.", "Look at `make rollback`.")
    place.terminal.show(f"{who} is well.")


def _about(environment: Environment, subscriber: str | None, cell: str | None) -> OtherAccount | None:
    """The cell or the subscriber that is named; None for the hub; OperatorError for both."""
    if subscriber and cell:
        raise OperatorError(f"Both a cell, {cell}, and a subscriber, {subscriber}, are named.", "Name one of them.")
    if cell:
        return environment.dependent(Cell.kind, cell)
    return environment.dependent(Subscriber.kind, subscriber) if subscriber else None


def _promotion(
    place: Workplace,
    environment: Environment,
    subscriber: str | None = None,
    cell: str | None = None,
    replaces: str = "",
) -> Promotion:
    """The hub's, or another account's, with the credentials that are there."""
    stack = place.stack()
    about = _about(environment, subscriber, cell)
    home = stack.directory.path.parent / "release"
    if environment.name != LOCAL:
        cloud = Cloud.signed_in(environment.region)
    elif about is None:
        cloud = Cloud.local(stack)
    else:
        cloud = Cloud.local_subscriber(stack, about.account_id)
    replaced = frozenset(commit_of(commit.strip()) for commit in replaces.split(",") if commit.strip())
    return Promotion(Project.of_this_code(), environment, cloud, place.terminal, home, about, replaced)


async def _problems(hub: Promotion, about: OtherAccount | None) -> list[str]:
    outputs = hub.outputs()
    if isinstance(about, Cell):
        return await _problems_of_cell(hub, about, outputs)
    if about is None and (woken := hub.traffic(outputs).wake()):
        hub.terminal.say(f"{', '.join(woken)} slept, and can be invoked again.")
    return await _problems_of_broadcast(hub.broadcast(outputs, about))


async def _problems_of_cell(hub: Promotion, cell: Cell, outputs: dict[str, Any]) -> list[str]:
    seen = hub.cell_in_hub(cell, outputs)
    if not seen.gets_sessions:
        hub.terminal.say(f"{cell.name} gets no sessions: whether it delivers is not checked.")
        return await seen.problems()
    broadcast = hub.broadcast_on(cell, outputs)
    broadcast.require_tenant()
    return await seen.problems() or await _problems_of_broadcast(broadcast)


async def _problems_of_broadcast(broadcast: SyntheticBroadcast) -> list[str]:
    async with broadcast.connected():
        return [*await broadcast.problems(), *(await broadcast.problems_of_routes()).values()]


def _numbers(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError:
        raise OperatorError(f"--weights {text!r} is not legal.", "It must be numbers with commas: 0.1,0.5") from None


def _outputs(values: dict[str, str]) -> None:
    """Hand values to the next steps of a workflow.

    https://docs.github.com/en/actions/reference/workflows-and-actions/workflow-commands#setting-an-output-parameter
    """
    _append("GITHUB_OUTPUT", "".join(f"{name}={value}\n" for name, value in values.items()))


def _summary(markdown: str) -> None:
    _append("GITHUB_STEP_SUMMARY", markdown)


def _append(variable: str, text: str) -> None:
    if path := os.environ.get(variable):
        with Path(path).open("a") as file:
            file.write(text)
