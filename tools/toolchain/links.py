"""A folder of links to Terraform's sources, in which Terraform runs instead of in the checkout.

Terraform keeps its own files beside a stack's: its settings, its lock, an override of the backend. In the checkout,
two stacks would share them, and a checkout may be read-only. `-chdir` and `TF_DATA_DIR` move the settings alone.
"""

import os
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

from tools.toolchain.provider import LOCK

BACKEND_OVERRIDE = "backend_override.tf"
"""Takes the place of the backend that a stack names: https://developer.hashicorp.com/terraform/language/files/override"""

_DATA = ".terraform"
_NOT_LINKED = (LOCK, BACKEND_OVERRIDE, "*.tfstate*", "*.auto.tfvars*")


def link_sources(sources: Path, folder: Path) -> None:
    """Put a link to each file of the sources into a folder, replacing everything there except Terraform's settings."""
    for path in _files(folder):
        path.unlink()
    source = sources.absolute()
    for path in _files(source):
        if not any(fnmatch(path.name, pattern) for pattern in _NOT_LINKED):
            link = folder / path.relative_to(source)
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(path)


def override_backend(root: Path, kind: str) -> None:
    """Let a stack in a folder of links keep its state in a backend of this kind."""
    (root / BACKEND_OVERRIDE).write_text(f'terraform {{\n  backend "{kind}" {{}}\n}}\n')


def _files(folder: Path) -> Iterator[Path]:
    """Yield the files and links below a folder, including broken links."""
    for place, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if name != _DATA]
        yield from (Path(place, name) for name in names)
