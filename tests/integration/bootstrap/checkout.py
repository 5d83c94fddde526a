"""A fresh checkout, under a path with a space and an umlaut, in an emptied environment."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from tools.toolchain.terraform import find_terraform

ROOT = Path(__file__).resolve().parents[3]
_PARTS = (
    "Makefile",
    "README.md",
    "LICENSE",
    "pyproject.toml",
    "hatch_build.py",
    "uv.lock",
    "tools",
    "shared",
    "functions",
    "clients",
    "terraform",
)
_PYTHON = "python3.13"
_PLAIN_FOLDERS = (Path("/usr/bin"), Path("/bin"))


def uv_cache() -> str:
    """The cache of the tests' own uv: packages in it are not fetched again."""
    done = subprocess.run([ROOT / "tools/bootstrap", "uv", "cache", "dir"], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@dataclass
class Checkout:
    """A fresh clone, the user's home with a Python 3.13 of pyenv, and a PATH of Terraform and the system's programs.

    No other Python 3.13 is on that PATH, whatever the system has.
    """

    folder: Path
    environment: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        for name in _PARTS:
            source = ROOT / name
            if source.is_dir():
                shutil.copytree(source, self.root / name, ignore=shutil.ignore_patterns("__pycache__", ".terraform"))
            else:
                self.root.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, self.root)
        self.python.parent.mkdir(parents=True)
        self.python.symlink_to(Path(sys.base_exec_prefix, "bin", "python3.13"))
        self.bin.mkdir()
        (self.bin / "terraform").symlink_to(find_terraform())
        self.plain.mkdir()
        for program in {entry.name: entry for folder in _PLAIN_FOLDERS for entry in os.scandir(folder)}.values():
            if not program.name.startswith(_PYTHON):
                (self.plain / program.name).symlink_to(program.path)
        self.environment = {"HOME": str(self.home), "PATH": f"{self.bin}:{self.plain}"}

    @property
    def root(self) -> Path:
        """The checkout."""
        return self.folder / "Prüfstand mit Leerzeichen"

    @property
    def home(self) -> Path:
        """The user's home."""
        return self.folder / "home"

    @property
    def python(self) -> Path:
        """The Python 3.13 of pyenv, which has it chosen nowhere."""
        return self.home / ".pyenv" / "versions" / "3.13.0" / "bin" / _PYTHON

    @property
    def plain(self) -> Path:
        """The folder of PATH that holds the system's programs."""
        return self.folder / "plain"

    @property
    def bin(self) -> Path:
        """The folder of PATH that holds Terraform."""
        return self.folder / "bin"

    @property
    def without_terraform(self) -> dict[str, str]:
        """The environment, its PATH without Terraform and whatever comes from HashiCorp's servers out of reach."""
        return self.environment | {"PATH": str(self.plain)}

    def start(self, *command: str) -> subprocess.Popen[str]:
        """Start a command in the checkout, in a process group of its own."""
        return subprocess.Popen(
            command,
            cwd=self.root,
            env=self.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str, environment: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command in the checkout; its output and its errors together."""
        return subprocess.run(
            command,
            cwd=self.root,
            env=self.environment if environment is None else environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )

    def replace(self, path: str, old: str, new: str) -> None:
        """Edit a file of the checkout."""
        file = self.root / path
        text = file.read_text()
        assert old in text
        file.write_text(text.replace(old, new))

    def written_in_home(self) -> set[str]:
        """The folders of the home that something was written to, beside pyenv's."""
        return {entry.name for entry in os.scandir(self.home)} - {".pyenv"}
