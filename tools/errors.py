"""The error that ends a command, with the problem and its remedy."""

import errno
import os
import re
import shutil


class OperatorError(Exception):
    """A command cannot continue.

    Attributes:
        problem: the problem, in one or two sentences.
        remedy: the operator's next step; empty if there is none.
    """

    def __init__(self, problem: str, remedy: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.remedy = remedy


_ELSEWHERE = "choose another folder: --state-dir names that of stacks, XDG_CACHE_HOME that of downloads and templates."
_SYSTEM = {
    (errno.ENOSPC, errno.EDQUOT, errno.EFBIG): (
        "{file} cannot be written: {reason}.",
        f"Free some space, or {_ELSEWHERE}",
    ),
    (errno.EACCES, errno.EPERM, errno.EROFS): (
        "{file} cannot be written or read: {reason}.",
        f"Give your user the right to it, or {_ELSEWHERE}",
    ),
    (errno.ENOTDIR, errno.EISDIR, errno.EEXIST, errno.ENOTEMPTY, errno.ELOOP, errno.ENAMETOOLONG): (
        "{file} cannot be written or read: {reason}.",
        f"Move out of the way what lies there, or {_ELSEWHERE}",
    ),
    (errno.ENOENT,): (
        "{file} is missing: {reason}.",
        f"Restore it; if a stack has lost it, begin anew with `loudhailer down`. Or {_ELSEWHERE}",
    ),
    (errno.EMFILE, errno.ENFILE): (
        "Too many files and sockets are open: {reason}.",
        "Raise the limit, with `ulimit -n 65536` say, or use fewer sockets; then try again.",
    ),
    (errno.ENOMEM, errno.EAGAIN): (
        "The machine has no memory or no process left: {reason}.",
        "End other programs, then try again.",
    ),
    (errno.EADDRINUSE, errno.EADDRNOTAVAIL): (
        "A port cannot be used: {reason}.",
        "Choose another one with --aws-port or --gateway-port, or 0 for a free one.",
    ),
    (errno.ENOEXEC, errno.ETXTBSY): (
        "{file} cannot be run: {reason}.",
        "Install it anew, for this machine.",
    ),
    (
        errno.ECONNREFUSED,
        errno.ECONNRESET,
        errno.ECONNABORTED,
        errno.ETIMEDOUT,
        errno.EHOSTUNREACH,
        errno.ENETUNREACH,
    ): (
        "A connection failed: {reason}.",
        "Look at `loudhailer status` and at your network, then try again.",
    ),
}
"""The problem and the remedy, by the number of an error."""

_NUMBER = re.compile(r"\[Errno (\d+)\]")


def of_the_system(error: OSError) -> OperatorError:
    """Return an error for a call that the operating system refused, with a remedy."""
    number, reason, name = error.errno, error.strerror or str(error), error.filename
    if isinstance(error, shutil.Error):  # its first part: https://docs.python.org/3/library/shutil.html#shutil.Error
        _, name, text = error.args[0][0]
        found = _NUMBER.search(str(text))
        number, reason = (int(found[1]), os.strerror(int(found[1]))) if found else (None, str(text))
    file = "A file or folder" if name is None else os.fsencode(name).decode(errors="backslashreplace")
    for numbers, (problem, remedy) in _SYSTEM.items():
        if number in numbers:
            return OperatorError(problem.format(file=file, reason=reason), remedy)
    return OperatorError(
        f"The operating system refused something: {reason}{'' if name is None else f' ({file})'}.",
        "Try again. If it stays so, open an issue with the command and this sentence.",
    )
