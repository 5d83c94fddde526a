"""Terraform: the one on PATH, or HashiCorp's pinned release."""

import functools
import hashlib
import os
import platform
import re
import shutil
import subprocess
import urllib.request
import urllib.response
import zipfile
from collections.abc import Callable, Iterator, Mapping
from http.client import HTTPException
from pathlib import Path

from tools.console import Terminal
from tools.errors import OperatorError
from tools.toolchain.cache import cache_folder, ensure_folder

OLDEST = (1, 11)
INSTALL = "Install Terraform 1.11 or newer: https://developer.hashicorp.com/terraform/install"

RELEASE = "1.11.4"
"""Fetched where PATH has none that will do."""

CHECKSUMS = {
    "darwin_amd64": "a56d5002b9f7647291faccc3dd1a70350e60fb61e4c45037629508b8fdc2575b",
    "darwin_arm64": "867e0808fa971217043e25b7a792b10720c79b1546f8a68479b74f138be73e18",
    "linux_amd64": "1ce994251c00281d6845f0f268637ba50c0005657eb3cf096b92f753b42ef4dc",
    "linux_arm64": "a43d1d0da9b9bab214a8305a39db0e40869572594ccf50c416a7756499143633",
}
"""SHA-256 of the release's archives: https://releases.hashicorp.com/terraform/1.11.4/terraform_1.11.4_SHA256SUMS."""

_RELEASES = "https://releases.hashicorp.com"
_MIRROR = "LOUDHAILER_HASHICORP_RELEASES"
"""The variable that names a mirror of HashiCorp's releases; the checksum makes any mirror safe."""

_PROGRAM = "terraform"
_TIMEOUT_SECONDS = 60.0
_ARCHITECTURES = {"x86_64": "amd64", "amd64": "amd64", "aarch64": "arm64", "arm64": "arm64"}
_KEPT_VARIABLES = {"TF_PLUGIN_DIR", "TF_PLUGIN_CACHE_DIR", "TF_LOG", "TF_CLI_CONFIG_FILE"}


def find_terraform(environment: Mapping[str, str] = os.environ, say: Callable[[str], None] | None = None) -> str:
    """Return the program's path; `say` reports a download before it begins. OperatorError says how to get it."""
    for program in _on_path(environment):
        if is_new_enough(program):
            return program
    report = say or Terminal().say
    releases = environment.get(_MIRROR) or _RELEASES
    place = cache_folder(environment) / "tools" / f"terraform-{RELEASE}-{this_platform()}"
    ensure_folder(place, _holds_program, lambda new: _fetch(new, releases, report), report)
    return str(place / _PROGRAM)


def terraform_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The operator's environment without the TF_ variables that would change what an apply does.

    A TF_CLI_CONFIG_FILE that names no file goes too: Terraform warns about it at every call. Unless GOGC is set, Go's
    garbage collector runs less often: each run parses the schema of all of AWS, and it would take a third of that time.
    """
    kept = {name: value for name, value in environment.items() if not name.startswith("TF_") or name in _KEPT_VARIABLES}
    if not Path(kept.get("TF_CLI_CONFIG_FILE", os.devnull)).exists():
        del kept["TF_CLI_CONFIG_FILE"]
    return {"GOGC": "400", **kept, "TF_IN_AUTOMATION": "1", "CHECKPOINT_DISABLE": "1"}


def this_platform() -> str:
    """This machine as HashiCorp names it, such as linux_amd64."""
    machine = platform.machine().lower()
    return f"{platform.system().lower()}_{_ARCHITECTURES.get(machine, machine)}"


def is_new_enough(program: str) -> bool:
    """Tell whether the program runs, and is a version that the sources accept."""
    version = version_of(program)
    return version is not None and tuple(map(int, version.split(".")[:2])) >= OLDEST


@functools.cache
def version_of(program: str) -> str | None:
    """The version that the program says it is, such as 1.11.4; None if it does not run or says none."""
    try:
        done = subprocess.run(
            [program, "version"],
            env=terraform_environment(os.environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    except OSError:
        return None
    version = re.search(r"^Terraform v(\d+\.\d+\.\S+)", done.stdout, re.MULTILINE)
    return version[1] if done.returncode == 0 and version else None


def _on_path(environment: Mapping[str, str]) -> Iterator[str]:
    """Every terraform on PATH: the first may be a version manager's that has no version."""
    for folder in os.get_exec_path(environment):
        if program := shutil.which("terraform", path=folder):
            yield program


def _holds_program(folder: Path) -> bool:
    """Tell whether it does, and the program runs: a crash of the machine may have cut it off."""
    program = folder / _PROGRAM
    return program.is_file() and is_new_enough(str(program))


def _fetch(folder: Path, releases: str, say: Callable[[str], None]) -> None:
    """Download the pinned release, verify it, and put its program into the folder."""
    checksum = CHECKSUMS.get(this_platform())
    if checksum is None:
        raise OperatorError(
            f"Terraform is missing, and no release for {this_platform()} is written down to be fetched.", INSTALL
        )
    name = f"terraform_{RELEASE}_{this_platform()}.zip"
    url = f"{releases.rstrip('/')}/terraform/{RELEASE}/{name}"
    say(f"Downloading Terraform {RELEASE} into {folder.parent} (PATH has none of version 1.11 or newer).")
    archive = folder / name
    _download(url, archive)
    with archive.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != checksum:
        raise OperatorError(
            f"{url} is not the archive that HashiCorp released: its SHA-256 is {found}, not {checksum}.", INSTALL
        )
    with zipfile.ZipFile(archive) as content:
        content.extract(_PROGRAM, folder)
    (folder / _PROGRAM).chmod(0o755)
    archive.unlink()
    version_of.cache_clear()  # where this one goes, one that did not run may have been
    if not is_new_enough(str(folder / _PROGRAM)):
        raise OperatorError(
            f"Terraform {RELEASE} does not run in {folder.parent}.",
            f"Set XDG_CACHE_HOME to a folder that programs may be run from. {INSTALL}.",
        )


def _download(url: str, target: Path) -> None:
    with target.open("wb") as file:
        try:
            answer = urllib.request.urlopen(url, timeout=_TIMEOUT_SECONDS)  # noqa: S310  # verified by its checksum
        except (OSError, ValueError, HTTPException) as error:
            raise _unreachable(url, error) from error
        with answer:
            while chunk := _read(answer, url):
                file.write(chunk)


def _read(answer: urllib.response.addinfourl, url: str) -> bytes:
    """The next part; apart from writing, so that a broken download is distinguished from a full disk."""
    try:
        return answer.read(1 << 20)
    except (OSError, HTTPException) as error:
        raise _unreachable(url, error) from error


def _unreachable(url: str, error: Exception) -> OperatorError:
    reason = getattr(error, "reason", None) or error
    return OperatorError(
        f"Terraform 1.11 or newer is missing, and {url} cannot be downloaded: {reason}.",
        f"{INSTALL}. {_MIRROR} may name a mirror of {_RELEASES}.",
    )
