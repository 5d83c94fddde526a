"""The commands of `loudhailer`: their names, one line of help each, and the module that is imported when one is run.

So `loudhailer --help` imports none of them. A test compares the lines with the commands' docstrings.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any, override

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_command

from tools.commands import Commands

if TYPE_CHECKING:
    from typer import _click as click


@dataclass(frozen=True)
class LazyCommand:
    """A command that is not imported yet.

    Attributes:
        module: the module in `tools.cli`.
        name: the name of its function or, for a group of commands, of its `typer.Typer`.
        help: the first sentence of its help.
        prints: what it prints is data, which `--json` shows as JSON.
        settings: further arguments for Typer.
    """

    module: str
    name: str
    help: str
    prints: bool = False
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
        if self.prints:
            for each in _runnable(loaded):
                each.params.append(_json_option())
        return loaded


def _runnable(command: "click.Command") -> "Iterator[click.Command]":
    """The command, or those of a group that can be run, which may be the group itself."""
    if not isinstance(command, TyperGroup) or command.invoke_without_command:
        yield command
    if isinstance(command, TyperGroup):
        yield from command.commands.values()


def _collect_json(context: typer.Context, wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted and context.obj is not None:
        context.obj.terminal.collect_json()
        context.call_on_close(context.obj.terminal.finish)


def _json_option() -> "click.Parameter":
    """The option `--json`, which is no argument of a command's function: the terminal alone knows of it."""
    alone = typer.Typer(add_completion=False)

    @alone.command()
    def _show(
        *,
        _json: Annotated[bool, typer.Option("--json", callback=_collect_json, help="Show the result as JSON.")] = False,
    ) -> None:
        pass

    (option,) = (each for each in get_command(alone).params if "--json" in each.opts)
    option.expose_value = False
    return option


CATALOGUE = {
    "up": LazyCommand("stack", "up", "Start the local stack, or bring it up to date."),
    "down": LazyCommand("stack", "down", "Stop the local stack and remove every trace of it."),
    "status": LazyCommand("stack", "status", "Show processes, URLs, functions, queues and partitions.", prints=True),
    "demo": LazyCommand("demo", "demo", "Show it all on a stack of its own."),
    "broadcast": LazyCommand("broadcasts", "broadcast_app", "Publish a broadcast, and follow its report.", prints=True),
    "cancel": LazyCommand("broadcasts", "cancel", "End a broadcast.", prints=True),
    "redrive": LazyCommand("broadcasts", "redrive", "Send the messages of the dead-letter queues again.", prints=True),
    "drain": LazyCommand("cells", "drain", "Empty a cell.", prints=True),
    "logs": LazyCommand("logs", "logs", "Show the functions' logs, merged by time.", prints=True),
    "tenant": LazyCommand("tenants", "tenant_app", "List, put and delete tenants.", prints=True),
    "session": LazyCommand("sessions", "session_app", "Create sessions, to try a deployment.", prints=True),
    "plan": LazyCommand(
        "plan", "plan_app", "Estimate a crowd's delivery times, parts and monthly cost before you deploy.", prints=True
    ),
    "probe": LazyCommand("probe", "probe", "Ask an account of AWS what no document says.", prints=True),
    "release": LazyCommand("release", "app", "Run a step of the workflows that release."),
    "terraform": LazyCommand(
        "stack",
        "terraform",
        "Run Terraform on the stack's sources and local AWS.",
        settings={
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
        self.commands.update({name: _Unloaded(name, help=entry.help) for name, entry in CATALOGUE.items()})

    @override
    def resolve_command(
        self, ctx: "click.Context", args: list[str]
    ) -> "tuple[str | None, click.Command | None, list[str]]":
        name = args[0]
        if isinstance(self.commands.get(name), _Unloaded):
            self.commands[name] = CATALOGUE[name].load(name)
        return super().resolve_command(ctx, args)
