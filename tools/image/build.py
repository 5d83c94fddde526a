"""Builds the image of all functions, and measures the size that it adds to its base."""

import json
from dataclasses import dataclass
from pathlib import Path

from tools.errors import OperatorError
from tools.image import wheels
from tools.image.engine import ContainerEngine

LARGEST_BYTES = 60_000_000
"""Bytes that the layers may add to the base, uncompressed: cold starts load them."""

LOCAL_TAG = "loudhailer:local"


@dataclass(frozen=True)
class BuiltImage:
    """A built image.

    Attributes:
        id: the digest that the engine knows it by; a registry gives it another one.
        tag: its name in the engine.
        base: its base image.
        layer_bytes: the sizes of what it adds to the base, uncompressed, in the order in which they were added.
    """

    id: str
    tag: str
    base: str
    layer_bytes: tuple[int, ...]

    @property
    def added_bytes(self) -> int:
        """Layers that it adds to the base."""
        return sum(self.layer_bytes)


def own_platform(engine: ContainerEngine) -> str:
    """The platform that the engine runs without emulation."""
    return f"linux/{engine.run('version', '--format', '{{.Server.Arch}}')}"


def build(
    root: Path, engine: ContainerEngine, *, platform: str, tag: str, base: str, fresh: bool = False
) -> BuiltImage:
    """Build for one platform; with `fresh`, nothing of an earlier build is used.

    OperatorError when a package cannot run on AWS, or when the image is too large.
    """
    architecture = platform.removeprefix("linux/")
    if architecture not in wheels.MACHINES:
        raise OperatorError(f"{platform} is no platform of Lambda.", "It must be linux/amd64 or linux/arm64.")
    wheels.fetch(wheels.locked_requirements(root), architecture, root / "build" / "image" / architecture)
    engine.run(
        *("build", "--progress", "plain", "--network", "none", "--platform", platform, "--build-arg", f"BASE={base}"),
        *("--file", str(root / "images" / "lambda" / "Dockerfile"), "--tag", tag),
        *(("--no-cache",) if fresh else ()),
        str(root),
    )
    image = BuiltImage(
        id=engine.run("image", "inspect", "--format", "{{.Id}}", tag),
        tag=tag,
        base=base,
        layer_bytes=_layers(engine, tag)[len(_layers(engine, base)) :],
    )
    if image.added_bytes > LARGEST_BYTES:
        raise OperatorError(
            f"The image adds {megabytes(image.added_bytes)} to its base, more than {megabytes(LARGEST_BYTES)}.",
            "See what grew: `docker history`.",
        )
    return image


def megabytes(number: int) -> str:
    """A number of bytes, as people read it."""
    return f"{number / 1_000_000:.1f} MB"


def _layers(engine: ContainerEngine, image: str) -> tuple[int, ...]:
    """The sizes of an image's layers, the base's first."""
    lines = engine.run("history", "--human=false", "--no-trunc", "--format", "{{json .Size}}", image).splitlines()
    return tuple(int(json.loads(line)) for line in reversed(lines))
