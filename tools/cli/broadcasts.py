"""The commands that publish, end and repair broadcasts."""

from typing import Annotated, Any, override

import typer
from rich.table import Table
from typer.core import TyperGroup

from loudhailer import codec, ids
from loudhailer.broadcast.audience import to_wire
from loudhailer.broadcast.report import Report
from tools.cli.workplace import Workplace, run
from tools.errors import OperatorError
from tools.operations.broadcasts import audience_of, described, message_of, no_such_broadcast, report_table
from tools.operations.cancelling import cancel as cancel_broadcast
from tools.operations.cancelling import report_of
from tools.operations.redriving import Redrive

_FOLLOW_TIMEOUT_SECONDS = 300.0


class _PublishByDefault(TyperGroup):
    """Commands of broadcasts; an argument that names none of them is a message to publish."""

    @override
    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        names_one = not args or args[0] in {*self.commands, *ctx.help_option_names}
        return super().parse_args(ctx, args if names_one else ["publish", *args])


broadcast_app = typer.Typer(
    add_completion=False,
    cls=_PublishByDefault,
    no_args_is_help=True,
    help="""Publish a broadcast, and follow its report.

    `loudhailer broadcast MESSAGE` is short for `loudhailer broadcast publish MESSAGE`. Write a message that is the word
    `show` or `publish` as JSON: '"show"'.""",
)


@broadcast_app.command("publish")
def publish_broadcast(
    context: typer.Context,
    message: Annotated[str, typer.Argument(help="What to say: JSON, or any text.")],
    *,
    everyone: Annotated[bool, typer.Option("--all", help="To everyone.")] = False,
    tenant: Annotated[
        str | None, typer.Option(help="To a tenant, or to the part of it that another option names.")
    ] = None,
    channel: Annotated[str | None, typer.Option(help="To a channel of the tenant.")] = None,
    room: Annotated[str | None, typer.Option(help="To a room of the tenant.")] = None,
    player: Annotated[str | None, typer.Option(help="To a player of the tenant.")] = None,
    session: Annotated[str | None, typer.Option(help="To a session of the tenant.")] = None,
    priority: Annotated[
        str | None, typer.Option(help="express, for few recipients, or bulk. By default their number decides.")
    ] = None,
    deadline: Annotated[int | None, typer.Option(help="Seconds after which nobody is sent it any more.", min=1)] = None,
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Wait until it is finished.")] = False,
) -> None:
    """Publish a broadcast, and follow its report."""
    workplace = Workplace.of(context)
    audience = audience_of(everyone=everyone, tenant=tenant, channel=channel, room=room, player=player, session=session)
    text = message_of(message)
    deployment = workplace.deployment()

    async def publish() -> Report | None:
        async with deployment.http_api() as api:
            accepted = await api.accepted(
                to_wire(audience), codec.verbatim(text), priority=priority, deadlineSeconds=deadline
            )
            broadcast_id = str(accepted["broadcastId"])
            workplace.terminal.show(broadcast_id, name="broadcastId")
            if "note" in accepted:
                workplace.terminal.say(f"It is bulk: {accepted['note']}.")
            if not follow:
                return None
            with workplace.terminal.bar(f"Broadcasting to {described(audience)}") as bar:

                def show(report: Report) -> None:
                    settled = report.dispatched - report.in_flight
                    bar.update(settled, max(report.dispatched, report.expected or 0), report.status)

                return await api.finished_report(broadcast_id, _FOLLOW_TIMEOUT_SECONDS, show)

    report = run(publish())
    if report is not None:
        workplace.terminal.show(report_table(report), name="report")
        if report.status != "finished" or report.failed:
            raise OperatorError(
                f"The broadcast did not reach everyone: it is {report.status}, and failed for {report.failed}.",
                "Look at `loudhailer logs`; `loudhailer redrive` sends again what was given up.",
            )


@broadcast_app.command("show")
def show_broadcast(context: typer.Context, broadcast_id: Annotated[str, typer.Argument(metavar="BROADCAST")]) -> None:
    """Show the report of a broadcast, as it is now; it is kept for a week."""
    workplace = Workplace.of(context)
    wanted = ids.broadcast_id(broadcast_id, "BROADCAST")
    report = report_of(workplace.deployment(), wanted)
    if report is None:
        raise no_such_broadcast(wanted)
    workplace.terminal.show(report_table(report))


def cancel(context: typer.Context, broadcast_id: Annotated[str, typer.Argument(metavar="BROADCAST")]) -> None:
    """End a broadcast: recipients that were not sent it yet count as failed."""
    workplace = Workplace.of(context)
    wanted = ids.broadcast_id(broadcast_id, "BROADCAST")
    deployment = workplace.deployment()
    before = report_of(deployment, wanted)
    with workplace.terminal.bar("Cancelling") as bar:
        report = cancel_broadcast(
            deployment, wanted, lambda now: bar.update(now.dispatched - now.in_flight, now.dispatched, now.status)
        )
    workplace.terminal.show(report_table(report))
    if before is not None and before.status == "finished" and not before.cancelled:
        workplace.terminal.say(
            f"Broadcast {wanted} was finished already, so its report is as it was; it is not sent again by a redrive."
        )


def redrive(
    context: typer.Context,
    broadcast: Annotated[str | None, typer.Option(help="Messages of this broadcast only, and no frames.")] = None,
) -> None:
    """Send the messages of the dead-letter queues again: broadcasts, and frames of the silo and the pool."""
    workplace = Workplace.of(context)
    only = None if broadcast is None else ids.broadcast_id(broadcast, "--broadcast")
    deployment = workplace.deployment()
    if only is not None and deployment.broadcasts.summary(only) is None:
        raise no_such_broadcast(only)
    redriving = Redrive(deployment, only)
    table = Table("messages", "number", "what became of them")
    for result in [redriving()] if only else [redriving(), redriving.frames()]:
        for kind, number in sorted(result.sent.items()):
            table.add_row(kind, str(number), "sent again")
        for reason, number in sorted(result.refused.items()):
            table.add_row(reason, str(number), "left in the queue")
    workplace.terminal.show(
        table if table.rows or workplace.terminal.shows_json else "The dead-letter queues are empty."
    )
