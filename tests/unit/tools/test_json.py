"""Each command with the option `--json` prints one JSON document, whatever its operation did."""

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, Self

import pytest
from rich.table import Table
from typer.core import TyperGroup
from typer.testing import CliRunner

from loudhailer.broadcast.report import Report
from loudhailer.ids import BroadcastId, TenantId
from tests.support.fakes.tenants import MemoryTenantStore
from tools.cli.catalogue import CATALOGUE
from tools.cli.main import app
from tools.cli.workplace import Workplace
from tools.operations.logs import LogEvent
from tools.operations.tenants import SAMPLE_TENANTS

BROADCAST = BroadcastId("0190d1a4-7a8e-7000-8000-000000000000")
REPORT = Report(
    status="finished",
    expected=1,
    dispatched=1,
    delivered=1,
    gone=0,
    failed=0,
    published_at=0,
    finished_at=1,
    by_account={},
)
GOLD = SAMPLE_TENANTS[0]


class Api:
    """The HTTP API, which accepts everything."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def accepted(self, *_: Any, **__: Any) -> dict[str, Any]:
        """The answer to a broadcast."""
        return {"broadcastId": BROADCAST}

    async def finished_report(self, *_: Any) -> Report:
        """The report at the end."""
        return REPORT

    async def open_session(self, *_: Any) -> str:
        """The URL of a session."""
        return "wss://example"


class Deployment(SimpleNamespace):
    """A deployment with a tenant and no broadcast."""

    def __init__(self) -> None:
        super().__init__(
            tenants=MemoryTenantStore(GOLD),
            has_silo=lambda _: False,
            http_api=Api,
            rest_seconds=0,
            quiet_seconds=0.0,
            cells={},
            all_cells={"hub": None},
            functions={"publish": "p-publish"},
            outputs={},
            access=SimpleNamespace(endpoint=None),
            http_url="https://example",
            websocket_url="wss://example",
            client=lambda _: None,
            broadcasts=None,
        )


def _result(**values: Any) -> Callable[..., Any]:
    """An operation whose result has these attributes."""
    return lambda *_, **__: SimpleNamespace(**values)


class Erased:
    """A tenant that had nothing but its limits."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.erased: dict[str, int] = {}

    def __call__(self) -> None:
        """Erase nothing."""


class Drained:
    """A cell without clients."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.asked: set[str] = set()

    def __call__(self) -> int:
        """Nobody stayed."""
        return 0


class Redriven:
    """Dead-letter queues that are empty."""

    def __init__(self, *_: Any) -> None: ...

    def __call__(self) -> Any:
        """Send nothing."""
        return SimpleNamespace(sent={}, refused={})

    frames = __call__


COMMANDS: dict[str, tuple[list[str], dict[str, Any]]] = {
    "status": (
        [],
        {"stack._show_processes": _result(), "stack.overview": lambda *_, **__: [Table("queue", title="Queues")]},
    ),
    "broadcast publish": (["hello", "--all", "--follow"], {}),
    "broadcast show": ([BROADCAST], {"broadcasts.report_of": lambda *_: REPORT}),
    "cancel": (
        [BROADCAST],
        {"broadcasts.report_of": lambda *_: REPORT, "broadcasts.cancel_broadcast": lambda *_: REPORT},
    ),
    "redrive": ([], {"broadcasts.Redrive": Redriven}),
    "drain": (
        ["hub"],
        {"cells.order_drain": lambda *_: "hub", "cells.overlap_of": lambda *_: 1, "cells.Draining": Drained},
    ),
    "logs": (
        [],
        {"logs.LogReader": _result(since=lambda _: iter([LogEvent(0, "publish", "one", "a line")]))},
    ),
    "tenant list": ([], {}),
    "tenant put": (["acme", "--messages-per-minute", "600"], {}),
    "tenant delete": ([GOLD.tenant_id], {"tenants.Stores": SimpleNamespace(of=_result()), "tenants.Erasing": Erased}),
    "session create": ([GOLD.tenant_id], {}),
    "plan": ([], {}),
    "probe": (["local", "--list"], {}),
    "plan talk": ([], {}),
}
"""The arguments of each command, and stand-ins for its operation, by their names in `tools.cli`."""


def commands_with_json() -> set[str]:
    """Every command that can be run and has the option."""
    found = set()
    for name, entry in CATALOGUE.items():
        loaded: Any = entry.load(name)
        below = loaded.commands if isinstance(loaded, TyperGroup) else {}
        for full, command in {name: loaded, **{f"{name} {short}": each for short, each in below.items()}}.items():
            if any("--json" in option.opts for option in command.params):
                found.add(full)
    return found


def test_every_command_with_the_option_is_covered() -> None:
    """A new one is added to `COMMANDS`."""
    assert commands_with_json() == {*COMMANDS}


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_with_the_option_prints_one_document(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also one whose result is only that it is done; a script reads its output as JSON."""
    arguments, operations = COMMANDS[command]
    monkeypatch.setattr(Workplace, "deployment", lambda _: Deployment())
    for name, operation in operations.items():
        monkeypatch.setattr(f"tools.cli.{name}", operation)
    done = CliRunner().invoke(app, [*command.split(), *arguments, "--json"])
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout) is not None


def test_a_tenant_that_is_put_is_shown_with_all_its_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """The same row as in the list."""
    known = Deployment()
    monkeypatch.setattr(Workplace, "deployment", lambda _: known)
    shown = CliRunner().invoke(app, ["tenant", "put", "acme", "--messages-per-minute", "600", "--json"]).stdout
    assert (tenant := known.tenants.get(TenantId("acme"))) is not None
    (row,) = json.loads(shown)
    assert row.keys() == {*tenant.to_wire(), "silo"}
    assert (row["tenantId"], row["messagesPerMinute"], row["silo"]) == ("acme", 600, False)
    assert row in json.loads(CliRunner().invoke(app, ["tenant", "list", "--json"]).stdout)


def test_a_drained_cell_is_shown_with_its_clients(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if some of them stayed, which is an error."""
    monkeypatch.setattr(Workplace, "deployment", lambda _: Deployment())
    for name, operation in COMMANDS["drain"][1].items():
        monkeypatch.setattr(f"tools.cli.{name}", operation)
    monkeypatch.setattr(Drained, "__call__", lambda _: 2)
    done = CliRunner().invoke(app, ["drain", "hub", "--json"])
    assert done.exit_code == 1
    assert json.loads(done.stdout) == [{"cell": "hub", "getsSessions": False, "asked": 0, "stayed": 2}]
    monkeypatch.setattr("tools.cli.cells.stop_drain", lambda *_: None)
    stopped = CliRunner().invoke(app, ["drain", "hub", "--stop", "--json"])
    assert json.loads(stopped.stdout)[0]["getsSessions"] is True
