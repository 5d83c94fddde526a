"""Read and check a snapshot: an attacker may control the cell that has sent it."""

import re
from typing import Any

from loudhailer import codec
from loudhailer.broadcast.report import Report
from loudhailer.errors import MalformedMessageError

_MOST_CHARACTERS = 8_192
"""Most characters of a report: several times those of a report with a hundred accounts."""

_LARGEST = 10**15
_ACCOUNT = re.compile(r"[0-9]{12}")
_STATES = {"accepted", "delivering", "finished"}
_NUMBERS = ("dispatched", "delivered", "gone", "failed", "publishedAt")


def snapshot_from(text: object) -> Report:
    """Return the report in a snapshot's attribute; MalformedMessageError if it is not consistent.

    Its numbers are whole and not negative, and no more recipients have an outcome than were dispatched. A finished
    report has an end, and an outcome for every recipient. Reports of further cells inside it are ignored.
    """
    if not isinstance(text, str) or len(text) > _MOST_CHARACTERS:
        raise MalformedMessageError(f"report must be a text of {_MOST_CHARACTERS} characters at most")
    try:
        wire = codec.decode_object(text)
    except codec.NotJsonError as error:
        raise MalformedMessageError(f"report {error}") from error
    if wire.get("status") not in _STATES:
        raise MalformedMessageError("status must be accepted, delivering or finished")
    for field in _NUMBERS:
        _number(field, wire.get(field))
    for field in ("expected", "finishedAt"):
        if wire.get(field) is not None:
            _number(field, wire[field])
    return _consistent(
        Report(
            status=wire["status"],
            expected=wire.get("expected"),
            dispatched=wire["dispatched"],
            delivered=wire["delivered"],
            gone=wire["gone"],
            failed=wire["failed"],
            published_at=wire["publishedAt"],
            finished_at=wire.get("finishedAt"),
            by_account=_by_account(wire.get("byAccount")),
            cancelled=wire.get("cancelled") is True,
            expired=wire.get("expired") is True,
        )
    )


def _consistent(report: Report) -> Report:
    if report.in_flight < 0:
        raise MalformedMessageError("more recipients have an outcome than were dispatched")
    if report.status == "finished" and (report.in_flight or report.finished_at is None):
        raise MalformedMessageError("it is finished without an end, or before every recipient has an outcome")
    return report


def _number(field: str, value: object) -> int:
    if type(value) is not int or not 0 <= value <= _LARGEST:
        raise MalformedMessageError(f"{field} must be a whole number, 0 or more")
    return value


def _by_account(value: Any) -> dict[str, int]:
    if not isinstance(value, dict) or not all(map(_ACCOUNT.fullmatch, value)):
        raise MalformedMessageError("byAccount must have numbers by account")
    return {account: _number("byAccount", delivered) for account, delivered in value.items()}
