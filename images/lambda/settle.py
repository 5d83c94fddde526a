"""Compiles the trees it is given and makes them the same bytes for the same sources, wherever they were checked out.

Bytecode names its sources by hash, not by time, and is never checked: the image does not change. Modes and times are
those of nobody's checkout.
"""

import compileall
import os
import py_compile
import sys
from pathlib import Path


def settle(tree: Path) -> None:
    """Compile and level a tree that will be the image's root."""
    compiled = compileall.compile_dir(
        tree,
        quiet=1,
        stripdir=str(tree),
        prependdir="/",
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )
    if not compiled:
        sys.exit(f"{tree} does not compile.")
    for path in (*tree.rglob("*"), tree):
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (0, 0))


if __name__ == "__main__":
    for argument in sys.argv[1:]:
        settle(Path(argument))
