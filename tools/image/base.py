"""Base of the image: AWS's by its digest, or a stand-in where that is out of reach."""

import hashlib
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

from tools.console import Terminal
from tools.errors import OperatorError
from tools.image import wheels
from tools.image.build import own_platform
from tools.image.engine import ContainerEngine

REPOSITORY = "public.ecr.aws/lambda/python"
TAG = "3.13"
PIN = Path("images/lambda/base.digest")

_DIGEST = re.compile("sha256:[0-9a-f]{64}")
_DEBIAN = "trixie"
_PACKAGES = ("ca-certificates", "python3", "python3-pip")
_MIRROR = "http://deb.debian.org/debian"
_INSTALL = "Debian has it: `apt-get install mmdebstrap`. On a machine that reaches public.ecr.aws it is not needed."


def pinned(root: Path) -> str | None:
    """The base by the digest in the tree; None if there is none yet."""
    if not (root / PIN).is_file():
        return None
    digest = (root / PIN).read_text().strip()
    if not _DIGEST.fullmatch(digest):
        raise OperatorError(f"{PIN} must hold sha256: and 64 hexadecimal digits.", "Write it again: `make image-base`.")
    return f"{REPOSITORY}:{TAG}@{digest}"


def released(root: Path) -> str:
    """The base of a release: by digest and nothing else."""
    base = pinned(root)
    if base is None:
        raise OperatorError(
            f"{PIN} is missing: a release uses {REPOSITORY}:{TAG} by its digest.",
            "Run `make image-base` on a machine that reaches public.ecr.aws, look at the image, and commit the file.",
        )
    return base


def local(root: Path, engine: ContainerEngine, platform: str, terminal: Terminal) -> str:
    """AWS's base where it can be had, else the stand-in."""
    base = pinned(root) or f"{REPOSITORY}:{TAG}"
    try:
        engine.run("pull", "--quiet", "--platform", platform, base)
    except OperatorError:
        if not engine.knows(base):
            terminal.say(f"{base} is out of reach: a stand-in takes its place.")
            return stand_in(root, engine, platform, terminal)
    return base


def stand_in(root: Path, engine: ContainerEngine, platform: str, terminal: Terminal) -> str:
    """The stand-in's tag; it is built if the engine does not have it."""
    if platform != own_platform(engine):
        raise OperatorError(
            f"There is no stand-in for {REPOSITORY}:{TAG} on {platform} here.",
            f"Build for {own_platform(engine)}, or where public.ecr.aws can be reached.",
        )
    architecture = platform.partition("/")[2]
    folder = root / "images" / "stand_in"
    digest = hashlib.sha256("\n".join([_DEBIAN, *_PACKAGES, platform]).encode())
    for path in sorted(folder.iterdir()):
        digest.update(path.read_bytes())
    tag = f"loudhailer-stand-in:{digest.hexdigest()[:16]}"
    if not engine.knows(tag):
        with terminal.step("Building the stand-in for AWS's base"):
            _build_stand_in(root, engine, architecture, tag)
    return tag


def _build_stand_in(root: Path, engine: ContainerEngine, architecture: str, tag: str) -> None:
    context = root / "build" / "stand_in"
    wheels.fetch((root / "images" / "stand_in" / "requirements.txt").read_text(), architecture, context / "fetched")
    runtime = context / "runtime"
    shutil.rmtree(runtime, ignore_errors=True)
    for wheel in (context / "fetched" / "wheels").iterdir():
        with zipfile.ZipFile(wheel) as archive:
            if wheel.name.startswith("aws_sam_cli-"):
                machine = "arm64" if architecture == "arm64" else "x86_64"
                emulator = archive.read(f"samcli/local/rapid/aws-lambda-rie-{machine}")
                (context / "aws-lambda-rie").write_bytes(emulator)
            else:
                archive.extractall(runtime)
    debian = f"{tag}-debian"
    if shutil.which("mmdebstrap") is None:
        raise OperatorError("The program mmdebstrap is missing, which makes the stand-in for AWS's base.", _INSTALL)
    engine.feed(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--architectures={architecture}"),
            *(f"--include={','.join(_PACKAGES)}", _DEBIAN, "-", _mirror()),
        ],
        *("import", "--platform", f"linux/{architecture}", "-", debian),
    )
    dockerfile = root / "images" / "stand_in" / "Dockerfile"
    arguments = ("--network", "none", "--build-arg", f"ROOT={debian}", "--file", str(dockerfile), "--tag", tag)
    engine.run("build", "--progress", "plain", *arguments, str(root))


def _mirror() -> str:
    """Return where this machine gets Debian's packages from."""
    command = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = subprocess.run(command, capture_output=True, text=True, check=False).stdout.split()
    return next((site for site in sites if site.rstrip("/").endswith("/debian")), _MIRROR)
