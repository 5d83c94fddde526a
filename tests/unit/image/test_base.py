"""What the image stands on: AWS's base by digest for a release, and nothing else."""

from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.image.base import PIN, pinned, released
from tools.image.wheels import platforms

DIGEST = f"sha256:{'0123456789abcdef' * 4}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A checkout without a pinned base."""
    (tmp_path / PIN).parent.mkdir(parents=True)
    return tmp_path


def test_a_release_stands_on_the_pinned_digest(root: Path) -> None:
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
def test_what_is_no_digest_is_refused(root: Path, text: str) -> None:
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
