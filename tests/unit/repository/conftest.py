"""A machine that has only the programs that a test gives it."""

import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

SHELL_PROGRAMS = ("awk", "bash", "cp", "dirname", "mkdir", "mktemp", "mv", "rm", "timeout")


@dataclass(frozen=True)
class Machine:
    """A folder that stands for PATH, with what a shell script needs and programs that the test writes."""

    path: Path

    def install(self, program: str, script: str) -> None:
        """Put a program on PATH that does what the bash script says."""
        file = self.path / program
        file.write_text(f"#!{self.path / 'bash'}\n{script}\n")
        file.chmod(0o755)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine with a shell, and neither uv nor Terraform nor Python."""
    path = tmp_path / "bin"
    path.mkdir()
    for program in SHELL_PROGRAMS:
        found = shutil.which(program)
        assert found is not None
        (path / program).symlink_to(found)
    return Machine(path)
