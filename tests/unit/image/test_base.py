"""Base of the image: AWS's by digest for a release, and nothing else."""

import io
from pathlib import Path

import pytest
from rich.console import Console

from tools.console import Terminal
from tools.errors import OperatorError
from tools.image.base import PIN, local, pinned, released
from tools.image.engine import ContainerEngine
from tools.image.wheels import platforms

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.fixture
def terminal() -> Terminal:
    """A terminal that nobody reads."""
    return Terminal(Console(file=io.StringIO()), Console(file=io.StringIO()))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout without a pinned base."""
    (tmp_path / PIN).parent.mkdir(parents=True)
    return tmp_path


def test_a_release_is_built_on_the_pinned_digest(root: Path) -> None:
    """The tag is for people; the digest decides."""
    (root / PIN).write_text(f"{DIGEST}\n")
    assert released(root) == f"public.ecr.aws/lambda/python:3.13@{DIGEST}"


def test_a_release_without_a_pinned_base_is_refused(root: Path) -> None:
    """It is not made up: a machine that reaches the registry has to look it up."""
    assert pinned(root) is None
    with pytest.raises(OperatorError, match="is missing") as failed:
        released(root)
    assert "make image-base" in failed.value.remedy


@pytest.mark.parametrize("text", ["", "3.13", DIGEST[:-1], DIGEST.upper(), DIGEST.replace("sha256", "sha512")])
def test_a_malformed_digest_is_refused(root: Path, text: str) -> None:
    """A tag or a cut digest would be another base tomorrow."""
    (root / PIN).write_text(text)
    with pytest.raises(OperatorError, match="sha256: and 64 hexadecimal digits"):
        pinned(root)


@pytest.mark.parametrize(("architecture", "machine"), [("amd64", "x86_64"), ("arm64", "aarch64")])
def test_wheels_are_for_amazon_linux(architecture: str, machine: str) -> None:
    """Its glibc is 2.34: what was built for a newer one is not asked for."""
    tags = platforms(architecture)
    assert tags[0] == f"manylinux_2_34_{machine}"
    assert f"manylinux_2_28_{machine}" in tags
    assert f"manylinux2014_{machine}" in tags
    assert all(tag.endswith(machine) for tag in tags)
    assert not any("2_35" in tag for tag in tags)


class Offline(ContainerEngine):
    """An engine that can pull nothing, and has the images named in `client`."""

    def run(self, *arguments: str) -> str:
        """The engine is at home on arm64."""
        match arguments:
            case ("version", *_):
                return "arm64"
            case ("image", "inspect", image) if image.startswith(self.client):
                return "known"
        raise OperatorError("out of reach")


def test_a_pulled_base_is_used_when_the_registry_is_unreachable(root: Path, terminal: Terminal) -> None:
    """An image that was pulled once is AWS's own."""
    engine = Offline("public.ecr.aws/lambda/python:3.13", "")
    assert local(root, engine, "linux/arm64", terminal) == "public.ecr.aws/lambda/python:3.13"


def test_the_stand_in_is_the_last_resort(root: Path, terminal: Terminal) -> None:
    """It is built once, and found by the digest of its sources."""
    (root / "images" / "stand_in").mkdir()
    assert local(root, Offline("loudhailer-stand-in:", ""), "linux/arm64", terminal).startswith("loudhailer-stand-in:")


def test_another_platform_has_no_stand_in(root: Path, terminal: Terminal) -> None:
    """Making it would need emulation."""
    with pytest.raises(OperatorError, match=r"no stand-in for .* on linux/amd64") as failed:
        local(root, Offline("nothing", ""), "linux/amd64", terminal)
    assert "Build for linux/arm64" in failed.value.remedy
