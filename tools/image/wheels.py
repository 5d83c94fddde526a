"""Wheels for an image, fetched on this machine so that the build needs no network."""

import shutil
import subprocess
import sys
from pathlib import Path

from tools.errors import OperatorError

MACHINES = {"amd64": "x86_64", "arm64": "aarch64"}
_PYTHON = "3.13"
_BOOTSTRAP = Path(__file__).resolve().parents[1] / "bootstrap"
_OLDEST_GLIBC, _GLIBC = 17, 34
"""The glibc 2 of Amazon Linux 2023: https://docs.aws.amazon.com/linux/al2023/ug/core-glibc.html."""


def platforms(architecture: str) -> list[str]:
    """The platform tags of wheels that Amazon Linux 2023 can run."""
    machine = MACHINES[architecture]
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(_GLIBC, _OLDEST_GLIBC - 1, -1)]
    return [*tags, f"manylinux2014_{machine}"]


def locked_requirements(root: Path) -> str:
    """Return the requirements of the image, with versions and hashes, from the checkout's lock."""
    done = subprocess.run(
        [
            *(_BOOTSTRAP, "uv", "export", "--frozen", "--no-default-groups", "--no-emit-project"),
            *("--no-header", "--no-annotate"),
        ],
        cwd=root,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise OperatorError(f"The lock cannot be exported. {done.stderr.strip()}", "Bring it up to date: `uv lock`.")
    return done.stdout


def fetch(requirements: str, architecture: str, target: Path) -> None:
    """Put requirements.txt and its wheels into the folder, unless they are there already.

    OperatorError when a package has no wheel that Amazon Linux 2023 can run.
    """
    listed = target / "requirements.txt"
    if listed.is_file() and listed.read_text() == requirements:
        return
    shutil.rmtree(target, ignore_errors=True)
    wheels = target / "wheels"
    wheels.mkdir(parents=True)
    unfinished = target / "requirements.unfinished"
    unfinished.write_text(requirements)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"),
            *("--require-hashes", "--no-deps", "--only-binary", ":all:", "--requirement", str(unfinished)),
            *("--implementation", "cp", "--python-version", _PYTHON, "--dest", str(wheels)),
            *(f"--platform={platform}" for platform in platforms(architecture)),
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR: ")]
        raise OperatorError(
            f"There is not for every package a wheel that Amazon Linux 2023 on {MACHINES[architecture]} can run. "
            + " ".join(errors or [done.stderr.strip()]),
            f"Lock a version with a wheel for manylinux_2_{_GLIBC} or older.",
        )
    unfinished.rename(listed)
