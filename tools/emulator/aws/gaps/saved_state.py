"""The local AWS saves its state when it is asked to, and does not start with a part of what was saved.

AWS keeps its state. MiniStack saves its state when it is stopped, and only logs what it could not save. At its start it
logs resources that it could not restore, and continues without that service's resources.

Patched: `_load_persisted_state`, which ends the start at the first service that cannot be restored. A rule with a rate
counts from the start on, as from its creation: "the countdown begins when you create the rule".
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-scheduled-rule-pattern.html
Added: `save`, behind `POST /_local_aws/save`. The functions below are leaned on.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
import time
from pathlib import Path
from typing import Any

from ministack import app
from ministack.core import persistence
from ministack.services import dynamodb, eventbridge, sqs

from tools.emulator.aws.administration import NotSavedError
from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch


class NotRestoredError(Exception):
    """A service's saved state could not be restored; the message says which."""


def gap(_options: Options) -> Gap:
    """Restore all or nothing."""
    return Gap(
        patches=(
            Patch(
                "ministack.app:_load_persisted_state",
                "03de3b870e8f811f8b97ae12f3e5e7c029923c155f75d512dbf913cb30f1b55c",
                _load_persisted_state,
            ),
            Patch(
                "ministack.app:_build_persistence_save_dict",
                "9a6393cc953d2f678892395011269f1f53d8be649619c8f6ce8dd3cb7b6c0dfd",
            ),
            Patch(
                "ministack.core.persistence:save_state",
                "58a9551109738f64a9a7c71d4abfb560a1a17894bbee96a260ee9226af5ac3cc",
            ),
        ),
    )


def save() -> None:
    """Write the state of all services into the state directory, without logs and metrics.

    Runs on the server's event loop, so that no request is answered meanwhile. NotSavedError if a table has a row, a
    stream a record or a queue a message: such a state belongs to its stack. OSError if it cannot be written.
    """
    _require_unused()
    for service, get_state in app._build_persistence_save_dict().items():
        state = get_state()
        if state is not None:
            _write(service, _without_history(service, state))


def _require_unused() -> None:
    for (_, _, name), table in dynamodb._tables.all_items():
        if any(table["items"].values()):
            raise NotSavedError(f"The table {name} has rows.")
    if any(dynamodb._stream_records.all_values()):
        raise NotSavedError("A stream has records.")
    for _, queue in sqs._queues.all_items():
        if queue["messages"] or queue["dedup_cache"]:
            raise NotSavedError(f"The queue {queue['name']} has messages, or had some minutes ago.")


def _without_history(service: str, state: dict[str, Any]) -> dict[str, Any]:
    """The copy of a service's state, without its functions' logs and metrics."""
    if service == "cloudwatch_logs":
        for group in state["log_groups"].all_values():
            group["streams"] = {}
    if service == "cloudwatch":
        state["metrics"] = {}
    return state


def _write(service: str, state: dict[str, Any]) -> None:
    path = _path(service)
    path.parent.mkdir(exist_ok=True)
    document = {"__ministack_format__": persistence._state_format_version(service), "payload": state}
    unfinished = path.with_suffix(".tmp")
    unfinished.write_text(json.dumps(document, default=persistence._json_default), encoding="utf-8")
    unfinished.replace(path)


def _path(service: str) -> Path:
    return Path(persistence.STATE_DIR, f"{service}.json")


def _load_persisted_state() -> None:
    for service, module in app._state_map.items():
        if _path(service).exists():
            try:
                _restore(service, module)
            except Exception as error:
                raise NotRestoredError(f"The saved state of {service} cannot be restored: {error}.") from error
    eventbridge._rule_last_fired.update(dict.fromkeys(eventbridge._rules._data, time.time()))


def _restore(service: str, module: str) -> None:
    state = persistence.load_state(service)
    if state is None:
        raise NotRestoredError("it cannot be read")
    app._get_module(module).load_persisted_state(state)
