"""Publishing a broadcast from the command line, and following it to its end."""

from rich.table import Table

from loudhailer import codec, ids
from loudhailer.broadcast.audience import Audience, Everyone, InRoom, OfChannel, OfPlayer, OfSession, OfTenant
from loudhailer.broadcast.report import Report
from loudhailer.codec import JsonText
from loudhailer.ids import BroadcastId
from tools.console import masked
from tools.errors import OperatorError


def audience_of(
    *,
    everyone: bool,
    tenant: str | None,
    channel: str | None,
    room: str | None,
    player: str | None,
    session: str | None,
) -> Audience:
    """Return the audience that the options name; OperatorError unless there is one, InvalidFieldError for a bad id."""
    parts = {"--channel": channel, "--room": room, "--player": player, "--session": session}
    chosen = {option: value for option, value in parts.items() if value is not None}
    if everyone == (tenant is not None) or (everyone and chosen) or len(chosen) > 1:
        raise OperatorError(
            "The options name no audience, or more than one.",
            "Use --all, or --tenant T, or --tenant T with one of --channel, --room, --player, --session.",
        )
    if tenant is None:
        return Everyone()
    checked = ids.tenant_id(tenant, "--tenant")
    if channel is not None:
        return OfChannel(checked, ids.channel(channel, "--channel"))
    if room is not None:
        return InRoom(checked, ids.room_key(room, "--room"))
    if player is not None:
        return OfPlayer(checked, ids.player_id(player, "--player"))
    if session is not None:
        return OfSession(checked, ids.session_id(session, "--session"))
    return OfTenant(checked)


def no_such_broadcast(broadcast_id: BroadcastId) -> OperatorError:
    """Return the error for an id of no broadcast."""
    return OperatorError(
        f"There is no broadcast {broadcast_id}.",
        "Its id is what `loudhailer broadcast` printed, or POST /broadcast answered; a report is kept for a week.",
    )


def described(audience: Audience) -> str:
    """The audience in words, without a whole session id."""
    match audience:
        case Everyone():
            return "everyone"
        case OfTenant(tenant):
            return f"tenant {tenant}"
        case OfChannel(tenant, channel):
            return f"channel {channel} of tenant {tenant}"
        case InRoom(tenant, room):
            return f"room {room} of tenant {tenant}"
        case OfPlayer(tenant, player):
            return f"player {player} of tenant {tenant}"
        case OfSession(tenant, session):
            return f"session {masked(session)} of tenant {tenant}"


def message_of(text: str) -> JsonText:
    """The message that an argument stands for: the JSON it holds, as it is written, or the text itself as JSON."""
    if not text.strip():
        raise OperatorError(
            "The message is empty.", "Write a text or JSON in quotes; '\"\"' is JSON for an empty text."
        )
    try:
        codec.decode(text)
    except codec.UnsupportedJsonError as error:
        raise OperatorError(
            f"The message {error}, so no client could be sure to read it.",
            "Change it, or put it in double quotes of its own: then it is sent as a text.",
        ) from error
    except codec.NotJsonError:
        return codec.json_text(text)
    return JsonText(text)


def report_table(report: Report) -> Table:
    """The report as a table; that of several cells has a row for each, and one for all."""
    numbers = ("status", "expected", "dispatched", "delivered", "gone", "failed", "in flight", "seconds")
    if not report.by_cell:
        table = Table(*numbers)
        table.add_row(*_row(report))
        return table
    table = Table("cell", *numbers)
    for cell, part in report.by_cell.items():
        status, *rest = _row(part)
        table.add_row(cell, "silent" if cell in report.silent else status, *rest)
    table.add_row("all", *_row(report))
    return table


def _row(report: Report) -> list[str]:
    seconds = "" if report.finished_at is None else f"{(report.finished_at - report.published_at) / 1000:.2f}"
    marks = {"cancelled": report.cancelled, "expired": report.expired}
    status = ", ".join([report.status, *(mark for mark, is_set in marks.items() if is_set)])
    expected = "?" if report.expected is None else str(report.expected)
    numbers = (report.dispatched, report.delivered, report.gone, report.failed, report.in_flight)
    return [status, expected, *map(str, numbers), seconds]
