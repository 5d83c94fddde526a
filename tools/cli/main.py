"""The operator's command line: local stacks from `up` to `down`, and work on them and on deployments on AWS."""

import re
import signal
from pathlib import Path
from types import FrameType
from typing import Annotated, Never

import typer

from tools.cli.broadcasts import broadcast, cancel, redrive
from tools.cli.cells import drain
from tools.cli.demo import demo
from tools.cli.logs import logs
from tools.cli.plan import plan_app
from tools.cli.probe import probe
from tools.cli.release import app as release_app
from tools.cli.stack import down, status, terraform, up
from tools.cli.tenants import tenant_app
from tools.cli.workplace import OnAws, Workplace
from tools.commands import Commands, require_text
from tools.console import Terminal
from tools.errors import OperatorError
from tools.interruptions import TERMINATIONS

_STACK_NAME = re.compile("[a-z0-9-]{1,32}")
_ANY_OPTIONS = {"allow_extra_args": True, "ignore_unknown_options": True}

app = typer.Typer(
    cls=Commands, no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help=__doc__
)

for command in (up, down, status, demo, broadcast, cancel, redrive, drain, logs, probe):
    app.command()(command)
app.command(context_settings=_ANY_OPTIONS, add_help_option=False)(terraform)
app.add_typer(tenant_app, name="tenant")
app.add_typer(plan_app, name="plan")
app.add_typer(release_app, name="release")


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
) -> None:
    """Find the deployment that the command is for."""
    if _STACK_NAME.fullmatch(stack) is None:
        raise OperatorError("--stack must be 1 to 32 lowercase letters, digits and dashes.")
    require_text("The state directory", str(state_dir))
    if environment is None and (profile or region):
        raise OperatorError("--profile and --region are for --environment.", "Name the environment, too.")
    aws = None if environment is None else OnAws(environment, profile, region)
    context.obj = Workplace(state_dir, stack, Terminal(), aws)


def main() -> None:
    """Entry point of the command `loudhailer`; a termination cleans up as an interrupt does."""
    for number in TERMINATIONS:
        signal.signal(number, _terminate)
    app()


def _terminate(number: int, _frame: FrameType | None) -> Never:
    raise SystemExit(128 + number)
