"""Options that several commands have."""

import os
from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from tools.stack.lifecycle import Packaging
from tools.stack.template_store import TemplateStore

Package = Annotated[
    Packaging,
    typer.Option(envvar="LOUDHAILER_PACKAGE", help="Functions as a zip, or as the image in a container engine."),
]


NoTemplate = Annotated[
    bool,
    typer.Option(
        "--no-template",
        envvar="LOUDHAILER_NO_TEMPLATE",
        help="Neither start from the template of an earlier stack nor keep one.",
    ),
]


def templates(*, unwanted: bool) -> TemplateStore | None:
    """Return the templates of this user; None if they are unwanted."""
    return None if unwanted else TemplateStore.of_the_user(os.environ)


_MULTIPLES = {"k": 1_000, "m": 1_000_000, "g": 1_000_000_000}
_LARGEST = 10**60


def whole_number(text: str | int) -> int:
    """Return the number that a text stands for: 1000000, 1_000_000, 1,000,000, 1e6, 1M, 1000k; else a bad argument."""
    plain = str(text).strip().replace(",", "").replace("_", "").lower()
    multiple = _MULTIPLES.get(plain[-1:], 1)
    try:
        number = Decimal(plain[:-1] if multiple > 1 else plain) * multiple
        if number.is_finite() and abs(number) <= _LARGEST and number == int(number):
            return int(number)
    except InvalidOperation:
        pass
    raise typer.BadParameter(f"{text!r} is no whole number, such as 250000, 250k, 1M or 1e6.")


def number_option(text: str) -> typer.models.OptionInfo:
    """An option that takes a number as people write it, with this help."""
    option: typer.models.OptionInfo = typer.Option(parser=whole_number, metavar="NUMBER", help=text)
    return option
