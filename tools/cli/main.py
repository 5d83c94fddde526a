"""The operator's command line: local stacks from `up` to `down`, and work on them and on deployments on AWS.

Exit codes: 0 done; 1 not done, with the reason and a fix on standard error; 2 bad arguments; 130 interrupted.
"""

import re
import signal
from importlib import metadata
from pathlib import Path
from types import FrameType
from typing import Annotated, Never

import typer

from tools.cli.catalogue import LazyCommands
from tools.commands import require_text
from tools.errors import OperatorError
from tools.interruptions import TERMINATIONS

_STACK_NAME = re.compile("[a-z0-9-]{1,32}")

app = typer.Typer(
    cls=LazyCommands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help=__doc__,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(wanted: bool) -> None:  # noqa: FBT001 - as Typer calls it
    if wanted:
        typer.echo(f"loudhailer {metadata.version('loudhailer')}")
        raise typer.Exit


@app.callback()
def prepare(
    context: typer.Context,
    *,
    state_dir: Annotated[
        Path | None,
        typer.Option(
            envvar="LOUDHAILER_STATE_DIR",
            help="Where the stacks keep all they own. Default: .loudhailer in the checkout.",
        ),
    ] = None,
    stack: Annotated[str, typer.Option(help="Name of the stack; those of several names run side by side.")] = "local",
    environment: Annotated[
        str | None, typer.Option(help="An environment on AWS, such as production, in place of a local stack.")
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="AWS profile of the environment's credentials, as of the operator's role.")
    ] = None,
    region: Annotated[
        str | None, typer.Option(help="Region of the environment's hub, if not that in its files.")
    ] = None,
    _version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version and exit.")
    ] = False,
) -> None:
    """Find the deployment that the command is for."""
    if _STACK_NAME.fullmatch(stack) is None:
        raise OperatorError("--stack must be 1 to 32 lowercase letters, digits and dashes.")
    require_text("The state directory", str(state_dir))
    if environment is None and (profile or region):
        raise OperatorError("--profile and --region are for --environment.", "Name the environment, too.")
    # Help needs none of them, and they take most of a second.
    from tools.cli.workplace import OnAws, Workplace  # noqa: PLC0415
    from tools.console import Terminal  # noqa: PLC0415

    aws = None if environment is None else OnAws(environment, profile, region)
    context.obj = Workplace(state_dir, stack, Terminal(), aws)


def main() -> None:
    """Entry point of the command `loudhailer`; a termination cleans up as an interrupt does."""
    for number in TERMINATIONS:
        signal.signal(number, _terminate)
    app()


def _terminate(number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(128 + number)
