"""Origin of an image: signed and attested by the workflow that built it, and asked for before it is deployed.

cosign needs no key: it gets a certificate of a few minutes for the identity of the workflow's run.
https://docs.sigstore.dev/cosign/signing/overview/
"""

import json
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tools.errors import OperatorError
from tools.release.manifest import Manifest

_ISSUER = "https://token.actions.githubusercontent.com"
_WORKFLOW = ".github/workflows/release.yml"
_BUILD_TYPE = "https://slsa-framework.github.io/github-actions-buildtypes/workflow/v1"
_PREDICATE = "slsaprovenance1"


@dataclass(frozen=True)
class ReleaseSigner:
    """The workflow `release` of a repository on GitHub, on main.

    Attributes:
        repository: its URL.
    """

    repository: str

    @classmethod
    def of(cls, variables: Mapping[str, str]) -> "ReleaseSigner":
        """The signer that a workflow's variables name; OperatorError outside of a workflow."""
        try:
            return cls(f"{variables['GITHUB_SERVER_URL']}/{variables['GITHUB_REPOSITORY']}")
        except KeyError as error:
            raise OperatorError(
                f"{error.args[0]} is not set: who has to have signed is not known.",
                "Run it in a workflow, or set GITHUB_SERVER_URL and GITHUB_REPOSITORY (owner/name).",
            ) from None

    @property
    def identity(self) -> str:
        """Its name in the certificate."""
        return f"{self.repository}/{_WORKFLOW}@refs/heads/main"

    def provenance(self, manifest: Manifest, run: str) -> dict[str, Any]:
        """Return what is attested: https://slsa.dev/spec/v1.0/provenance."""
        return {
            "buildDefinition": {
                "buildType": _BUILD_TYPE,
                "externalParameters": {
                    "workflow": {"ref": "refs/heads/main", "repository": self.repository, "path": _WORKFLOW}
                },
                "resolvedDependencies": [
                    {
                        "uri": f"git+{self.repository}@refs/heads/main",
                        "digest": {"gitCommit": manifest.commit},
                    }
                ],
            },
            "runDetails": {
                "builder": {"id": self.identity},
                "metadata": {"invocationId": f"{self.repository}/actions/runs/{run}"},
            },
        }

    def sign(self, manifest: Manifest, run: str) -> None:
        """Sign the image, and attest how it came about."""
        image = _name(manifest)
        _cosign("sign", "--yes", image)
        with tempfile.TemporaryDirectory() as folder:
            predicate = Path(folder) / "provenance.json"
            predicate.write_text(json.dumps(self.provenance(manifest, run)))
            _cosign("attest", "--yes", "--type", _PREDICATE, "--predicate", str(predicate), image)

    def verify(self, manifest: Manifest) -> None:
        """OperatorError unless a run of this workflow for the manifest's commit signed and attested the image."""
        by = (
            *("--certificate-identity", self.identity, "--certificate-oidc-issuer", _ISSUER),
            *("--certificate-github-workflow-sha", manifest.commit),
        )
        _cosign("verify", *by, _name(manifest))
        _cosign("verify-attestation", "--type", _PREDICATE, *by, _name(manifest))


def _name(manifest: Manifest) -> str:
    return f"{manifest.image.repository_url}@{manifest.image.digest}"


def _cosign(*arguments: str) -> None:
    program = shutil.which("cosign")
    if program is None:
        raise OperatorError(
            "cosign is not installed, or not on the PATH.",
            "Install it: https://docs.sigstore.dev/cosign/system_config/installation/",
        )
    done = subprocess.run([program, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise OperatorError(f"cosign {arguments[0]} of {arguments[-1]} failed: {done.stderr.strip()}")
