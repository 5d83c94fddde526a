"""Replaces functions of MiniStack, and refuses when one is not the function its replacement was written for.

MiniStack's internals are no interface: a new release may change them silently. Each patch therefore carries the hash of
the source it was written for; a difference stops the launcher before anything is served.
"""

import hashlib
import importlib
import inspect
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any


class PatchRefusedError(Exception):
    """A function is not the one its patch was written for; the message says which, and what to do."""


@dataclass(frozen=True)
class Patch:
    """Stand-in for the function `target` ("package.module:name") whose source has the hash `sha256`.

    Without a replacement the function is only pinned: a gap leans on how it works.
    """

    target: str
    sha256: str
    replacement: Callable[..., Any] | None = None


@dataclass(frozen=True)
class _Found:
    patch: Patch
    function: Callable[..., Any]
    sha256: str


def source_sha256(function: Callable[..., Any]) -> str:
    """Hash of a function's source."""
    return hashlib.sha256(inspect.getsource(function).encode()).hexdigest()


def apply(patches: Iterable[Patch], package: str = "ministack") -> None:
    """Put every replacement in place, wherever `package` holds the function; nothing at all if one does not fit."""
    found = [_find(patch) for patch in patches]
    replaced = [each.patch.target for each in found if each.patch.replacement is not None]
    if twice := sorted({target for target in replaced if replaced.count(target) > 1}):
        raise PatchRefusedError(f"Two gaps replace {', '.join(twice)}: only one of them would. Let one gap do both.")
    refusals = [_refusal(each) for each in found if each.sha256 != each.patch.sha256]
    if refusals:
        raise PatchRefusedError("\n".join(refusals))
    for each in found:
        if each.patch.replacement is not None:
            _replace(each.function, each.patch.replacement, package)


def _find(patch: Patch) -> _Found:
    module_name, _, name = patch.target.partition(":")
    function = getattr(importlib.import_module(module_name), name, None)
    if function is None:
        raise PatchRefusedError(
            f"{patch.target} is patched by the local AWS, but does not exist in the installed MiniStack. {_REMEDY}"
        )
    return _Found(patch, function, source_sha256(function))


def _refusal(found: _Found) -> str:
    return (
        f"{found.patch.target} is not the function its patch was written for: "
        f"expected sha256 {found.patch.sha256}, found {found.sha256}. {_REMEDY}"
    )


def _replace(function: Callable[..., Any], replacement: Callable[..., Any], package: str) -> None:
    # `from module import function` leaves copies of the name: they are replaced too.
    for module_name, module in list(sys.modules.items()):
        if module_name.partition(".")[0] != package:
            continue
        for name, value in list(vars(module).items()):
            if value is function:
                setattr(module, name, replacement)


_REMEDY = (
    "Install the pinned release (uv sync), or read the function's new source, adapt the gap in tools/emulator/aws/gaps "
    "and write down its new hash."
)
