"""The commands of `loudhailer`: their names, one line of help each, and the module that is imported when one is run.

So `loudhailer --help` imports none of them. A test compares the lines with the commands' docstrings.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any, override

import typer
from typer.core import TyperCommand
from typer.main import get_command

from tools.commands import Commands

if TYPE_CHECKING:
    from typer import _click as click


@dataclass(frozen=True)
class Entry:
    """A command that is not imported yet.

    Attributes:
        module: the module in `tools.cli`.
        name: the name of its function or, for a group of commands, of its `typer.Typer`.
        help: the first sentence of its help.
        settings: further arguments for Typer.
    """

    module: str
    name: str
    help: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def load(self, command: str) -> "click.Command":
        """Import the command."""
        found = getattr(import_module(f"tools.cli.{self.module}"), self.name)
        if isinstance(found, typer.Typer):
            loaded = get_command(found)
        else:
            alone = typer.Typer(add_completion=False)
            alone.command(command, **self.settings)(found)
            loaded = get_command(alone)
        loaded.name = command
        return loaded


CATALOGUE = {
    "up": Entry("stack", "up", "Start the local stack, or bring it up to date."),
    "down": Entry("stack", "down", "Stop the local stack and remove every trace of it."),
    "status": Entry("stack", "status", "Show processes, URLs, functions, queues and partitions."),
    "demo": Entry("demo", "demo", "Show it all on a stack of its own."),
    "broadcast": Entry("broadcasts", "broadcast", "Publish a broadcast, and follow its report."),
    "cancel": Entry("broadcasts", "cancel", "End a broadcast."),
    "redrive": Entry("broadcasts", "redrive", "Send the messages of the dead-letter queues again."),
    "drain": Entry("cells", "drain", "Empty a cell."),
    "logs": Entry("logs", "logs", "Show the functions' logs, merged by time."),
    "tenant": Entry("tenants", "tenant_app", "List, put and delete tenants."),
    "plan": Entry("plan", "plan_app", "Estimate a crowd's delivery times, parts and monthly cost before you deploy."),
    "probe": Entry("probe", "probe", "Ask an account of AWS what no document says."),
    "release": Entry("release", "app", "Run a step of the workflows that release."),
    "terraform": Entry(
        "stack",
        "terraform",
        "Run Terraform on the stack's sources and local AWS.",
        {
            "context_settings": {"allow_extra_args": True, "ignore_unknown_options": True},
            "add_help_option": False,
        },
    ),
}
"""The commands, by their names, in the order of the help."""


class _Unloaded(TyperCommand):
    """A line of the help; the command itself is loaded when it is needed."""


class LazyCommands(Commands):
    """The commands of the catalogue; each is imported when it is run, completed or asked for its own help."""

    def __init__(self, **attributes: Any) -> None:
        super().__init__(**attributes)
        self.commands |= {name: _Unloaded(name, help=entry.help) for name, entry in CATALOGUE.items()}

    @override
    def resolve_command(
        self, ctx: "click.Context", args: list[str]
    ) -> "tuple[str | None, click.Command | None, list[str]]":
        name = args[0]
        if isinstance(self.commands.get(name), _Unloaded):
            self.commands[name] = CATALOGUE[name].load(name)
        return super().resolve_command(ctx, args)
