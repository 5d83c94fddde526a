"""The number of files that a process may have open."""

import resource


def raise_open_files() -> None:
    """A socket is a file, and the usual limit of 1,024 files is far below the number of its connections."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
