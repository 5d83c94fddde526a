"""cosign is asked for the right things; a stand-in on the PATH writes down what for."""

import json
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.release.manifest import Image, Manifest
from tools.release.signature import ReleaseSigner

DIGEST = f"sha256:{'0' * 64}"
REPOSITORY = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
MANIFEST = Manifest.now("a" * 40, Image(REPOSITORY, DIGEST))
SIGNER = ReleaseSigner.of({"GITHUB_SERVER_URL": "https://github.com", "GITHUB_REPOSITORY": "example/loudhailer"})
IDENTITY = "https://github.com/example/loudhailer/.github/workflows/release.yml@refs/heads/main"

COSIGN = """#!/bin/bash
echo "$@" >> "${0%/*}/calls"
while (($#)); do [[ $1 != --predicate ]] || cp "$2" "${0%/*}/predicate"; shift; done
exit "$(cat "${0%/*}/answer")"
"""


@pytest.fixture
def cosign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of the stand-in: what it was called with, and what it answers."""
    program = tmp_path / "cosign"
    program.write_text(COSIGN)
    program.chmod(0o755)
    (tmp_path / "answer").write_text("0")
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    return tmp_path


def test_an_image_is_signed_and_attested_by_its_digest(cosign: Path) -> None:
    """The attestation names the commit and the workflow."""
    SIGNER.sign(MANIFEST, "77")
    sign, attest = (cosign / "calls").read_text().splitlines()
    assert sign == f"sign --yes {REPOSITORY}@{DIGEST}"
    assert attest.startswith("attest --yes --type slsaprovenance1 --predicate ")
    predicate = json.loads((cosign / "predicate").read_text())
    assert predicate["buildDefinition"]["resolvedDependencies"][0]["digest"] == {"gitCommit": "a" * 40}
    assert predicate["runDetails"]["builder"] == {"id": IDENTITY}
    assert predicate["runDetails"]["metadata"]["invocationId"].endswith("/example/loudhailer/actions/runs/77")


def test_only_the_workflow_of_main_is_trusted(cosign: Path) -> None:
    """Not another holder of a GitHub certificate, nor a run for another commit."""
    SIGNER.verify(MANIFEST)
    by = f"--certificate-identity {IDENTITY} --certificate-oidc-issuer https://token.actions.githubusercontent.com"
    by += f" --certificate-github-workflow-sha {MANIFEST.commit}"
    assert (cosign / "calls").read_text().splitlines() == [
        f"verify {by} {REPOSITORY}@{DIGEST}",
        f"verify-attestation --type slsaprovenance1 {by} {REPOSITORY}@{DIGEST}",
    ]


def test_an_image_that_is_not_signed_is_refused(cosign: Path) -> None:
    """Cosign's exit code says so."""
    (cosign / "answer").write_text("1")
    with pytest.raises(OperatorError, match=f"cosign verify of {REPOSITORY}@{DIGEST} failed"):
        SIGNER.verify(MANIFEST)


@pytest.mark.usefixtures("cosign")
def test_the_expected_signer_is_unknown_outside_a_workflow() -> None:
    """The variables are named."""
    with pytest.raises(OperatorError, match="GITHUB_SERVER_URL is not set"):
        ReleaseSigner.of({})


def test_a_missing_cosign_is_reported_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its page."""
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OperatorError) as missing:
        SIGNER.verify(MANIFEST)
    assert "https://docs.sigstore.dev/" in missing.value.remedy
