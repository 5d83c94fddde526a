"""The end of every command of the operator: its result, or a sentence and an exit code, never a traceback."""

import errno
import os
import signal
import sys
from typing import Any

import typer
from typer.core import TyperGroup

from tools.errors import OperatorError, of_the_system

_INTERRUPTED = 128 + signal.SIGINT


class Commands(TyperGroup):
    """The commands; whatever ends one of them becomes a sentence and an exit code."""

    def main(self, *args: Any, **kwargs: Any) -> Any:
        """Read the arguments, and run the command that they name."""
        try:
            arguments = kwargs.get("args", args[0] if args else None)
            for number, argument in enumerate(sys.argv[1:] if arguments is None else arguments, 1):
                require_text(f"Argument {number}", argument)
            try:
                return super().main(*args, **kwargs)
            finally:
                sys.stdout.flush()
        except OperatorError as error:
            _fail(error)
        except OSError as error:
            if error.errno != errno.EPIPE:  # otherwise the reader of the output has closed it
                _fail(of_the_system(error))
            _give_up_output()
        sys.exit(1)

    def invoke(self, ctx: typer.Context) -> Any:  # type: ignore[override] # Typer's context is click's
        """Run the command."""
        try:
            return super().invoke(ctx)
        except (typer.Exit, typer.Abort):
            raise
        except OperatorError as error:
            _fail(error)
        except KeyboardInterrupt:
            sys.stderr.write("Interrupted.\n")
            raise typer.Exit(_INTERRUPTED) from None
        except Exception as error:
            # Imported now: the SDK's exceptions and the HTTP client take a third of the time of `loudhailer --help`.
            from tools.refusals import refusal_of  # noqa: PLC0415

            refusal = refusal_of(error, as_operator=getattr(ctx.obj, "aws", None) is not None)
            if refusal is None:
                raise
            _fail(refusal)
        raise typer.Exit(1)


def _fail(error: OperatorError) -> None:
    from tools.console import Terminal  # noqa: PLC0415 - as above

    Terminal().fail(error)


def _give_up_output() -> None:
    """If what was shown cannot be written, let the end of the process not try it again."""
    try:
        sys.stdout.flush()
    except OSError:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115, PTH123 - for the rest of the process


def require_text(name: str, text: str) -> None:
    """OperatorError if the text has bytes that are no UTF-8: Python carries them, but not AWS, JSON and Terraform."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        shown = os.fsencode(text).decode(errors="backslashreplace")
        raise OperatorError(f"{name} is not text in UTF-8: {shown}", "Write it in UTF-8.") from error
