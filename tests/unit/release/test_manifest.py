"""Legal and illegal releases."""

import json
from typing import Any

import pytest

from tools.errors import OperatorError
from tools.release.manifest import Image, Manifest, commit_of

REPOSITORY = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
DIGEST = f"sha256:{'0123456789abcdef' * 4}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


def document(**changes: Any) -> dict[str, Any]:
    """A manifest as it is written, with changes."""
    image = {"repository_url": REPOSITORY, "digest": DIGEST}
    return {"v": 1, "commit": COMMIT, "image": image, "createdAt": "2026-11-26T15:00:00Z"} | changes


def test_a_manifest_is_read_as_it_was_written() -> None:
    """To the byte."""
    manifest = Manifest.from_wire(document())
    assert manifest.to_wire() == document()
    assert Manifest.from_json(manifest.to_json()) == manifest
    assert Manifest.now(COMMIT, manifest.image).to_wire().keys() == document().keys()


def test_an_image_knows_its_registry() -> None:
    """Account, Region and name are in its URL."""
    image = Image(REPOSITORY, DIGEST)
    assert (image.account_id, image.region, image.repository) == ("444444444444", "eu-central-1", "loudhailer")


@pytest.mark.parametrize(
    "digest",
    ["latest", "v1.0.0", "", "sha256:0123", DIGEST.upper(), DIGEST[7:], f"{DIGEST}0", f"{DIGEST}\n", f"@{DIGEST}"],
)
def test_a_malformed_digest_is_refused(digest: str) -> None:
    """A tag, a short digest, or none: the message says the legal form."""
    with pytest.raises(OperatorError) as refused:
        Image(REPOSITORY, digest)
    assert "sha256: followed by 64 lowercase hexadecimal digits" in refused.value.remedy


@pytest.mark.parametrize(
    "repository",
    [
        "loudhailer",
        f"{REPOSITORY}:v1",
        f"https://{REPOSITORY}",
        "docker.io/library/loudhailer",
        REPOSITORY.replace("444444444444", "44444444444"),
        f"{REPOSITORY}\n",
    ],
)
def test_a_malformed_ecr_repository_is_refused(repository: str) -> None:
    """Eleven digits, a tag, another registry."""
    with pytest.raises(OperatorError) as refused:
        Image(repository, DIGEST)
    assert "<12 digits>.dkr.ecr.<region>.amazonaws.com/<name>" in refused.value.remedy


@pytest.mark.parametrize("commit", ["main", COMMIT[:7], COMMIT.upper(), f"{COMMIT}\n"])
def test_an_incomplete_commit_is_refused(commit: str) -> None:
    """Neither a branch nor a short one."""
    with pytest.raises(OperatorError, match="is not a commit"):
        commit_of(commit)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        json.dumps(document(v=2)),
        json.dumps(document(commit=None)),
        json.dumps(document(image=f"{REPOSITORY}@{DIGEST}")),
        json.dumps(document(image={"repository_url": REPOSITORY})),
        json.dumps(document(createdAt=1764169200)),
    ],
)
def test_a_malformed_manifest_is_refused(text: str) -> None:
    """The message shows what one looks like."""
    with pytest.raises(OperatorError) as refused:
        Manifest.from_json(text)
    assert '{"v":1,"commit","image":{"repository_url","digest"},"createdAt"}' in refused.value.remedy


def test_a_malformed_time_is_refused() -> None:
    """With an example of one."""
    with pytest.raises(OperatorError, match="is no time"):
        Manifest.from_wire(document(createdAt="yesterday"))
