"""Options that several commands have."""

import os
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
