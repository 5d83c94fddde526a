"""The user's cache of this project, and folders in it that are whole or not there."""

import os
import pwd
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.errors import OperatorError
from tools.lock import held


def account_home() -> Path:
    """The home that the password file names, whatever HOME says; `/` if it does not know the user, as in containers."""
    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:
        return Path("/")


def home(environment: Mapping[str, str]) -> Path:
    """The user's home: HOME, or else the one that the password file names."""
    return Path(environment.get("HOME") or account_home())


def cache_folder(environment: Mapping[str, str]) -> Path:
    """The folder of downloads: https://specifications.freedesktop.org/basedir-spec/latest/."""
    configured = Path(environment.get("XDG_CACHE_HOME", ""))
    return (configured if configured.is_absolute() else home(environment) / ".cache") / "loudhailer"


def ensure_folder(
    place: Path, is_whole: Callable[[Path], bool], build: Callable[[Path], None], say: Callable[[str], None]
) -> None:
    """Let `build` fill an empty folder, and put it in the place, unless a whole one is there.

    One process at a time builds it; another one says so, waits and uses the same. An interrupted one leaves nothing in
    the place, and nothing that hinders the next. OperatorError if the cache cannot be written.
    """
    if is_whole(place):
        return
    new = place.with_name(f"{place.name}.new")
    try:
        with held(place.with_name(f"{place.name}.lock"), lambda: say(f"Another command makes {place}; waiting …")):
            if is_whole(place):
                return
            shutil.rmtree(new, ignore_errors=True)
            new.mkdir()
            try:
                build(new)
                shutil.rmtree(place, ignore_errors=True)
                new.rename(place)
            finally:
                shutil.rmtree(new, ignore_errors=True)
    except OSError as error:
        raise OperatorError(
            f"The cache {place.parent} cannot be written: {error.strerror or error}.",
            "Free some space or make it writable, or set XDG_CACHE_HOME to a folder that is.",
        ) from error
