"""A machine with a home of its own, and a stand-in for Terraform that installs providers from mirrors that hold one."""

import hashlib
import shutil
import zipfile
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tools.toolchain import provider, terraform

ADDRESS = Path("registry.terraform.io/hashicorp/aws")
_TERRAFORM = """\
#!/bin/bash
if [[ $1 == version ]]; then
    echo "Terraform v{version}"
    exit
fi
for argument; do
    if [[ $argument == -plugin-dir=* ]]; then mirror=${{argument#*=}}; fi
done
if [[ -f {registry}/problem ]]; then
    echo "$(<{registry}/problem)"
    exit 1
fi
if [[ ! -f ${{mirror:-{registry}}}/{address}/locked ]]; then
    echo "Error: Failed to query available provider packages"
    exit 1
fi
mkdir -p .terraform/providers/{address}/5.100.0/linux_amd64
touch .terraform/providers/{address}/5.100.0/linux_amd64/terraform-provider-aws_v5.100.0_x5
echo "hash of this platform" >> .terraform.lock.hcl
"""


@dataclass
class Computer:
    """A PATH, a home, a stack with a lock, HashiCorp's releases and the registry; all empty at first."""

    folder: Path
    printed: list[str] = field(default_factory=list)

    @property
    def path(self) -> Path:
        """The only folder on PATH."""
        return self.folder / "bin"

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def cache(self) -> Path:
        """The folder in which the project keeps fetched tools."""
        return self.home / ".cache" / "loudhailer" / "tools"

    @property
    def stack(self) -> Path:
        """A stack with its lock."""
        return self.folder / "stack"

    @property
    def registry(self) -> Path:
        """The stand-in asks this folder where no mirror is named."""
        return self.folder / "registry"

    @property
    def releases(self) -> Path:
        """The folder that takes the place of HashiCorp's releases."""
        return self.folder / "releases"

    @property
    def environment(self) -> dict[str, str]:
        """The variables of the user's shell."""
        return {
            "PATH": str(self.path),
            "HOME": str(self.home),
            "LOUDHAILER_HASHICORP_RELEASES": self.releases.as_uri(),
        }

    def fail_installing(self, problem: str) -> None:
        """Let the stand-in fail with this text, whatever it installs the provider from."""
        (self.registry / "problem").write_text(problem)

    def install_terraform(self, version: str = "1.11.0") -> Path:
        """Put the stand-in on PATH."""
        return self._program(self.path / "terraform", version)

    def release_terraform(self) -> str:
        """Let HashiCorp release the stand-in for this platform; its checksum."""
        name = f"terraform_{terraform.RELEASE}_{terraform.this_platform()}.zip"
        archive = self.releases / "terraform" / terraform.RELEASE / name
        archive.parent.mkdir(parents=True)
        with zipfile.ZipFile(archive, "w") as content:
            content.write(self._program(self.folder / "released", terraform.RELEASE), "terraform")
        return hashlib.sha256(archive.read_bytes()).hexdigest()

    def find_terraform(self, **environment: str) -> str:
        """The Terraform that the project finds or fetches."""
        return terraform.find_terraform(self.environment | environment, self.printed.append)

    def find_provider(self, **environment: str) -> provider.Provider:
        """Likewise the provider."""
        return provider.find_provider(self.stack, self.environment | environment, self.printed.append)

    def _program(self, file: Path, version: str) -> Path:
        file.write_text(_TERRAFORM.format(version=version, address=ADDRESS, registry=self.registry))
        file.chmod(0o755)
        return file


@pytest.fixture
def computer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A machine without Terraform, mirror or registry; the stack's lock is there."""
    computer = Computer(tmp_path)
    for folder in (computer.path, computer.home, computer.stack, computer.registry):
        folder.mkdir()
    for program in ("mkdir", "touch"):
        (computer.path / program).symlink_to(shutil.which(program) or program)
    (computer.stack / "versions.tf").write_text("terraform {}\n")
    (computer.stack / ".terraform.lock.hcl").write_text("the lock\n")
    monkeypatch.setattr(provider, "account_home", lambda: computer.home)
    monkeypatch.setattr(provider, "SHARED_PLACES", (tmp_path / "opt",))
    return computer


def hold_provider(mirror: Path) -> Path:
    """Let the folder hold the locked provider."""
    (mirror / ADDRESS).mkdir(parents=True)
    (mirror / ADDRESS / "locked").touch()
    return mirror
