"""The gaps between MiniStack and AWS that the project closes, one module each.

A module says what AWS does, with its documentation page, what MiniStack does, and what is patched. Its `gap`
function takes the launcher's options; the list of gaps is in `tools.emulator.aws.gaps.all_gaps`. These modules import
MiniStack, which reads its environment then: only the launcher imports them, once the environment is set.
"""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from tools.emulator.aws.patching import Patch


@dataclass(frozen=True)
class Gap:
    """Remedy for a gap: patches, coroutines that run beside the server, and calls to make before it stops."""

    patches: tuple[Patch, ...]
    background: tuple[Callable[[], Coroutine[Any, Any, None]], ...] = ()
    close: tuple[Callable[[], None], ...] = ()
