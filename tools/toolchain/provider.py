"""The AWS provider: in the folder that TF_PLUGIN_DIR names, in a mirror on this machine, or from the registry."""

import errno
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

from tools.console import Terminal, shortened
from tools.errors import OperatorError
from tools.toolchain.cache import account_home, cache_folder, ensure_folder, home
from tools.toolchain.terraform import find_terraform, terraform_environment, this_platform

LOCK = ".terraform.lock.hcl"
REMEDY = "Check the network, or set TF_PLUGIN_DIR to a folder laid out as `terraform providers mirror` makes it."

SHARED_PLACES = (Path("/usr/share/terraform"), Path("/usr/local/share"), Path("/opt"))
"""The folders that may hold a mirror for all users of a machine, beside their own `.terraform.d`."""

_ADDRESS = Path("registry.terraform.io/hashicorp/aws")
_PROGRAM = "*/*/terraform-provider-aws*"
_HASHES = re.compile(r"^  hashes += \[\n(?:    .*\n)*  \]\n", re.MULTILINE)
_REATTACH = "TF_REATTACH_PROVIDERS"
_DEPTH = 3
_MOST_FOLDERS = 500
_LONGEST_PROBLEM = 1_000
_NO_ROOM = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@dataclass(frozen=True)
class Provider:
    """The locked provider.

    Attributes:
        folder: laid out as `terraform providers mirror` makes it, for `terraform init -plugin-dir`.
        lock: the lock of the sources, with the provider's hash for this platform, which it may lack.
    """

    folder: Path
    lock: Path


def find_provider(
    stack: Path, environment: Mapping[str, str] = os.environ, say: Callable[[str], None] | None = None
) -> Provider:
    """The provider that the stack's lock names; OperatorError, with the fix, if it cannot be had.

    One that is found in a mirror or fetched is checked once, by Terraform against the lock, and kept in the cache: as
    a link, where Terraform can make one.
    """
    lock = stack / LOCK
    mirror = environment.get("TF_PLUGIN_DIR")
    if mirror:
        if not _is_folder(Path(mirror) / _ADDRESS):
            raise OperatorError(f"TF_PLUGIN_DIR names {mirror}, which does not hold the AWS provider.", REMEDY)
        return Provider(Path(mirror).absolute(), lock)
    key = hashlib.sha256(lock.read_bytes()).hexdigest()[:16]
    place = cache_folder(environment) / "tools" / f"provider-{key}-{this_platform()}"
    report = say or Terminal().say
    ensure_folder(place, _holds_provider, lambda new: _install(stack, new, environment, report), report)
    return Provider(place, place / LOCK)


def forget_hashes(lock: Path) -> None:
    """Remove the provider's hashes from the lock of a folder of links, once `terraform init` has compared it with them.

    With hashes there, every command reads the provider again: 700 MB, which takes longer than a small plan.
    """
    lock.write_text(_HASHES.sub("", lock.read_text()))


@contextmanager
def running_provider(root: Path) -> Iterator[dict[str, str]]:
    """Run the provider of an initialised folder for the block; yield the variable that tells Terraform where it is.

    https://developer.hashicorp.com/terraform/plugin/debugging
    """
    (program,) = (root / ".terraform" / "providers" / _ADDRESS).glob(_PROGRAM)
    with (
        tempfile.TemporaryDirectory() as temporary,  # a short path, as it makes its socket there
        subprocess.Popen(
            [program, "-debug"],
            env=terraform_environment(os.environ) | {"TMPDIR": temporary},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process,
    ):
        try:
            yield dict([_reattachment(process.stdout or ())])
        finally:
            process.kill()


def mirrors(environment: Mapping[str, str]) -> Iterator[Path]:
    """Folders on this machine that hold the provider, as far as a bounded look into the usual places shows."""
    homes = dict.fromkeys((home(environment), account_home()))
    for place in (*(folder / ".terraform.d" for folder in homes), *SHARED_PLACES):
        yield from mirrors_below(place)


def mirrors_below(place: Path) -> Iterator[Path]:
    """The folder and those up to three levels below it that hold the provider, the shallowest first."""
    level = [place]
    for _ in range(_DEPTH + 1):
        yield from (folder for folder in level if _is_folder(folder / _ADDRESS))
        level = list(islice((child for folder in level for child in _folders_in(folder)), _MOST_FOLDERS))


def _folders_in(folder: Path) -> list[Path]:
    with suppress(OSError):
        return sorted(Path(entry) for entry in os.scandir(folder) if entry.is_dir(follow_symlinks=False))
    return []


def _is_folder(path: Path) -> bool:
    with suppress(OSError):
        return path.is_dir()
    return False


def _holds_provider(folder: Path) -> bool:
    """Tell whether it does, with its lock: a link to a mirror leads nowhere when that is gone."""
    return (folder / LOCK).is_file() and any(path.is_file() for path in (folder / _ADDRESS).glob(_PROGRAM))


def _install(stack: Path, new: Path, environment: Mapping[str, str], say: Callable[[str], None]) -> None:
    """Let Terraform install the provider from the first source that has it."""
    for mirror in mirrors(environment):
        if _init(stack, new, environment, f"-plugin-dir={mirror}") is None:
            say(f"The AWS provider comes from {mirror}, which holds the locked one.")
            return
        say(f"{mirror} does not hold the AWS provider that the lock names.")
    say("Fetching the AWS provider as Terraform is configured to, from its registry by default.")
    problem = _init(stack, new, environment)
    if problem is not None:
        raise OperatorError(f"Terraform cannot fetch the AWS provider. {problem}", REMEDY)


def _init(stack: Path, new: Path, environment: Mapping[str, str], *options: str) -> str | None:
    """Install the provider and its lock into the new folder; why that failed, if it did.

    Raises:
        OSError: the disk has no room for it, so no other source would help.
    """
    scratch = new / "scratch"
    shutil.rmtree(scratch, ignore_errors=True)
    scratch.mkdir()
    for name in ("versions.tf", LOCK):
        shutil.copy(stack / name, scratch)
    done = subprocess.run(
        [find_terraform(environment), "init", "-input=false", "-no-color", "-backend=false", *options],
        cwd=scratch,
        env=terraform_environment(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        _raise_if_no_room(done.stdout)
        return shortened(done.stdout[max(done.stdout.find("Error:"), 0) :], _LONGEST_PROBLEM)
    (scratch / ".terraform" / "providers" / _ADDRESS.parts[0]).rename(new / _ADDRESS.parts[0])
    (scratch / LOCK).rename(new / LOCK)
    shutil.rmtree(scratch)
    return None


def _raise_if_no_room(problem: str) -> None:
    """Raise the OSError that Terraform reports, in lines of 78 characters."""
    text = " ".join(problem.split()).lower()
    for number in _NO_ROOM:
        if (reason := os.strerror(number)).lower() in text:
            raise OSError(number, reason)


def _reattachment(lines: Iterable[str]) -> tuple[str, str]:
    """The variable, in what the provider says to a person."""
    for line in lines:
        if match := re.search(rf"({_REATTACH})='(.*)'", line):
            return match[1], match[2]
    raise OperatorError("The AWS provider has ended before it printed its address.")
