"""`tools/bootstrap`: the tools that it brings, its messages, and the state it leaves when something goes wrong."""

import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.unit.repository.conftest import Machine

BASH = shutil.which("bash") or "bash"
UV = """
case "$1 $2" in
    "--version ") echo 'uv 0.13.9 (x86_64-unknown-linux-gnu)' ;;
    "cache dir") echo "$HOME/cache" ;;
    "python find") [[ -n "${UV_KNOWS_PYTHON:-}" ]] ;;
    "python install") echo 'error: Failed to install'$'\\n''  cause: no route to host' >&2; exit 1 ;;
    *) echo "uv $*" ;;
esac
"""
REFUSES = "echo 'pyenv: python3.13: command not found' >&2; exit 127"
RUNS = "[[ $1 == -IS ]]"
PIP = """
case "$*" in
    "-m pip --version" | "-IS -c "*"(3, 8)"*) ;;
    "-m pip install --target "*) mkdir -p "$5/bin" && cp "${BASH_SOURCE%/*}/uv-of-the-index" "$5/bin/uv" ;;
    *) exit 1 ;;
esac
"""
BROKEN_PIP = """
[[ "$*" == *"pip --version" || $1 == -IS ]] && exit
[[ "$*" == *install* ]] && mkdir -p "$5/half" && echo 'ERROR: [Errno 28] No space left on device' >&2
exit 1
"""
ENSUREPIP = """
case "$*" in
    "-m ensurepip --version" | "-IS -c "*"(3, 8)"*) ;;
    "-m venv "*) mkdir -p "$3/bin" && cp "${BASH_SOURCE%/*}/python-of-the-venv" "$3/bin/python" ;;
    *) exit 1 ;;
esac
"""
PYTHON_OF_THE_VENV = """
[[ "$*" == "-m pip install "* ]] && cp "$(type -P uv-of-the-index)" "${BASH_SOURCE%/*}/uv"
"""


@dataclass(frozen=True)
class Checkout:
    """A checkout with the bootstrap in it, on a machine that has only what the test installs."""

    root: Path
    home: Path
    machine: Machine

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a command through the bootstrap."""
        return subprocess.run(
            [BASH, "tools/bootstrap", *command],
            cwd=self.root,
            env={"PATH": str(self.machine.path), "HOME": str(self.home)} | environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def install_pyenv(self, folder: Path) -> Path:
        """Let pyenv keep a Python 3.13 in that folder; its path."""
        python = folder / "versions" / "3.13.1" / "bin" / "python3.13"
        python.parent.mkdir(parents=True)
        shutil.copy(self.machine.path / "bash", python)
        python.write_text(f"#!{self.machine.path / 'bash'}\n{RUNS}\n")
        return python

    @property
    def tools(self) -> list[str]:
        """The folders that the bootstrap has put into the checkout."""
        return sorted(path.name for path in (self.root / ".tools").glob("*"))


@pytest.fixture
def checkout(tmp_path: Path, machine: Machine) -> Checkout:
    """The bootstrap under a path with a space and an umlaut; the account has no home."""
    root = tmp_path / "Prüfstand mit Leerzeichen"
    (root / "tools").mkdir(parents=True)
    for name in ("bootstrap", "bootstrap-requirements.txt"):
        shutil.copy(ROOT / "tools" / name, root / "tools")
    home = tmp_path / "home"
    home.mkdir()
    machine.install("id", "exit 1")
    return Checkout(root, home, machine)


@pytest.fixture
def bare(checkout: Checkout) -> Checkout:
    """A machine without uv, whose package index has it; its Python 3.13 is known to uv."""
    checkout.machine.install("uv-of-the-index", UV)
    checkout.machine.install("python3", PIP)
    checkout.machine.install("python3.13", RUNS)
    return checkout


@pytest.fixture
def complete(checkout: Checkout) -> Checkout:
    """A machine with uv, and no Python 3.13 yet."""
    checkout.machine.install("uv", UV)
    return checkout


def test_a_complete_setup_prints_and_writes_nothing(complete: Checkout) -> None:
    """Every make target pays for the look; the command is run as it was given."""
    done = complete.run("uv", "run", "a program", UV_KNOWS_PYTHON="1")
    assert (done.returncode, done.stdout, done.stderr) == (0, "uv run a program\n", "")
    assert not (complete.root / ".tools").exists()


def test_a_missing_uv_is_installed_once_into_the_checkout(bare: Checkout) -> None:
    """One line says so; the second run finds it there."""
    first = bare.run("uv", "sync")
    assert (first.returncode, first.stdout) == (0, "uv sync\n")
    assert first.stderr.splitlines() == [
        "Installing uv from the Python package index into .tools/uv (PATH has none of version 0.11 or newer)."
    ]
    assert bare.tools == ["uv"]
    second = bare.run("uv", "sync")
    assert (second.returncode, second.stdout, second.stderr) == (0, "uv sync\n", "")


@pytest.mark.parametrize("script", ["echo 'uv 0.10.12'", "exit 127", "echo 'another uv'"])
def test_an_unusable_uv_is_ignored(bare: Checkout, script: str) -> None:
    """An old one knows neither the lock nor the system's certificates; a shim may refuse to run."""
    bare.machine.install("uv", script)
    assert bare.run("uv", "sync").stdout == "uv sync\n"


def test_a_missing_pip_is_installed_by_ensurepip(bare: Checkout) -> None:
    """Some systems ship Python without pip."""
    bare.machine.install("python3", ENSUREPIP)
    bare.machine.install("python-of-the-venv", PYTHON_OF_THE_VENV)
    assert bare.run("uv", "sync").stdout == "uv sync\n"
    assert bare.tools == ["uv"]


def test_the_pip_of_pyenv_is_used(bare: Checkout) -> None:
    """The only Python may be one that pyenv keeps."""
    (bare.machine.path / "python3").unlink()
    python = bare.install_pyenv(bare.home / ".pyenv")
    python.write_text(f"#!{bare.machine.path / 'bash'}\n{PIP}".replace("${BASH_SOURCE%/*}", str(bare.machine.path)))
    python.chmod(0o755)
    assert bare.run("uv", "sync").stdout == "uv sync\n"


def test_the_pip_of_an_old_python_is_ignored(bare: Checkout) -> None:
    """It finds no uv in the index; another Python on PATH has one that does."""
    (bare.machine.path / "python3").rename(bare.machine.path / "python3.13")
    bare.machine.install("python3", '[[ "$*" == "-m pip --version" ]]')
    assert bare.run("uv", "sync", UV_KNOWS_PYTHON="1").stdout == "uv sync\n"


def test_a_missing_uv_and_pip_are_reported_in_one_sentence(checkout: Checkout) -> None:
    """A newcomer learns what to install."""
    stopped = checkout.run("uv", "sync")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr == (
        "uv is missing, and so is a Python 3.8 or newer with pip that could install it."
        " Install uv: https://docs.astral.sh/uv/getting-started/installation/.\n"
    )
    assert checkout.tools == []


def test_a_full_disk_is_reported_in_one_sentence_and_the_next_attempt_succeeds(bare: Checkout) -> None:
    """Nothing half-made is left."""
    bare.machine.install("python3", BROKEN_PIP)
    stopped = bare.run("uv", "sync")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr.splitlines()[1] == (
        "uv could not be installed from the Python package index: [Errno 28] No space left on device."
        " Free some space or check the network, or install uv yourself:"
        " https://docs.astral.sh/uv/getting-started/installation/."
    )
    assert bare.tools == []
    bare.machine.install("python3", PIP)
    assert bare.run("uv", "sync").stdout == "uv sync\n"


def test_an_interrupted_installation_is_repaired_by_the_next_attempt(bare: Checkout) -> None:
    """Not even a killed one leaves anything that counts as installed."""
    bare.machine.install("python3", PIP.replace("cp ", "kill -9 ${5##*.}; exit 1; cp "))
    assert bare.run("uv", "sync").returncode != 0
    (leftover,) = bare.tools
    assert leftover.startswith("uv.")
    bare.machine.install("python3", PIP)
    assert bare.run("uv", "sync").stdout == "uv sync\n"
    assert bare.tools == ["uv"]


def test_a_checkout_that_cannot_be_written_is_reported_in_one_sentence(bare: Checkout) -> None:
    """Here a file has the folder's place."""
    (bare.root / ".tools").touch()
    stopped = bare.run("uv", "sync")
    assert stopped.returncode == 1
    assert stopped.stderr.startswith(f"{bare.root}/.tools cannot be written, where uv would be installed.")
    assert "https://" in stopped.stderr


def test_a_shim_that_refuses_to_run_is_skipped(complete: Checkout, tmp_path: Path) -> None:
    """One further back on PATH will do, though uv gives up at the first."""
    complete.machine.install("python3.13", RUNS)
    shims = Machine(tmp_path / "shims")
    shims.path.mkdir()
    (shims.path / "bash").symlink_to(BASH)
    shims.install("python3.13", REFUSES)
    path = f"{shims.path}:{complete.machine.path}"
    done = complete.run("bash", "-c", "echo $UV_PYTHON", PATH=path)
    assert (done.stdout, done.stderr) == (f"{complete.machine.path}/python3.13\n", "")


@pytest.mark.parametrize("by_variable", [True, False])
def test_python_is_found_in_pyenvs_folder(complete: Checkout, tmp_path: Path, *, by_variable: bool) -> None:
    """It is where PYENV_ROOT says, or in the home; a shim on PATH that refuses to run it changes nothing."""
    folder = tmp_path / "pyenv" if by_variable else complete.home / ".pyenv"
    python = complete.install_pyenv(folder)
    python.chmod(0o755)
    environment = {"PYENV_ROOT": str(folder)} if by_variable else {}
    without_shim = complete.run("bash", "-c", "echo $UV_PYTHON", **environment)
    assert (without_shim.stdout, without_shim.stderr) == (f"{python}\n", "")
    complete.machine.install("python3.13", REFUSES)
    assert complete.run("bash", "-c", "echo $UV_PYTHON", **environment).stdout == f"{python}\n"


def test_the_home_that_the_password_file_names_takes_the_place_of_a_missing_one(complete: Checkout) -> None:
    """As in a container or a job that sets no HOME."""
    account = pwd.getpwuid(os.getuid())
    complete.machine.install("id", f'[[ $* == -un ]] && echo "{account.pw_name}"')
    show = ("bash", "-c", "echo $HOME")
    assert complete.run(*show, UV_KNOWS_PYTHON="1", HOME="", UV_CACHE_DIR="").stdout == f"{account.pw_dir}\n"
    assert complete.run(*show, UV_KNOWS_PYTHON="1").stdout == f"{complete.home}\n"


def test_python_is_found_in_the_home_that_the_password_file_names(complete: Checkout, tmp_path: Path) -> None:
    """HOME may be another folder. A test cannot add a user: `~-`, the folder of OLDPWD, stands for a user's home."""
    python = complete.install_pyenv(tmp_path / "home of the account" / ".pyenv")
    python.chmod(0o755)
    complete.machine.install("id", "[[ $* == -un ]] && echo -")
    done = complete.run("bash", "-c", "echo $UV_PYTHON", OLDPWD=str(tmp_path / "home of the account"))
    assert (done.stdout, done.stderr) == (f"{python}\n", "")


def test_python_is_downloaded_into_the_checkout(complete: Checkout) -> None:
    """The home, its default place, is not written to."""
    install = """to="$UV_PYTHON_INSTALL_DIR/cpython/bin"
        mkdir -p "$to"
        cp "${BASH_SOURCE%/*}/python-of-uv" "$to/python3.13"
        exit"""
    complete.machine.install("uv", UV.replace('"python install") ', f'"python install") {install}; '))
    complete.machine.install("python-of-uv", RUNS)
    done = complete.run("bash", "-c", "echo $UV_PYTHON")
    assert done.stderr == "Downloading Python 3.13 into .tools/python (neither PATH nor uv nor pyenv has one).\n"
    assert done.stdout == f"{complete.root}/.tools/python/cpython/bin/python3.13\n"


def test_a_missing_python_and_download_are_reported_in_one_sentence(complete: Checkout) -> None:
    """The reason and the fix."""
    stopped = complete.run("uv", "sync")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr.splitlines()[1] == (
        "Python 3.13 is missing, and uv could not download one that runs: no route to host."
        " Put a python3.13 on PATH: https://www.python.org/downloads/."
    )


def test_a_python_that_the_user_chose_is_kept(complete: Checkout) -> None:
    """Though there is another one."""
    complete.machine.install("uv", UV.replace('"python find") ', '"python find") echo "$5"; '))
    complete.machine.install("python-of-the-user", RUNS)
    complete.machine.install("python3.13", RUNS)
    chosen = str(complete.machine.path / "python-of-the-user")
    done = complete.run("bash", "-c", "echo $UV_PYTHON", UV_PYTHON=chosen, UV_KNOWS_PYTHON="1")
    assert (done.stdout, done.stderr) == (f"{chosen}\n", "")


def test_a_chosen_python_of_another_version_is_ignored(complete: Checkout) -> None:
    """It is exported for other projects; uv would end with an error that does not name the variable."""
    complete.machine.install("python3.13", RUNS)
    done = complete.run("bash", "-c", "echo $UV_PYTHON", UV_PYTHON="3.11")
    assert done.stdout == f"{complete.machine.path}/python3.13\n"
    assert done.stderr == "UV_PYTHON is left out: uv finds no Python 3.13 by the name 3.11.\n"


def test_a_cache_that_cannot_be_written_is_replaced(complete: Checkout) -> None:
    """Without one uv does not work; here a file has the folder's place."""
    (complete.home / "cache").touch()
    done = complete.run("bash", "-c", "echo $UV_CACHE_DIR", UV_KNOWS_PYTHON="1")
    assert done.stdout == f"{complete.root}/.tools/cache\n"
    assert done.stderr == (
        f"uv's cache {complete.home}/cache cannot be written; .tools/cache in the checkout takes its place.\n"
    )
    assert complete.run("bash", "-c", "echo $UV_CACHE_DIR", UV_KNOWS_PYTHON="1").stderr == ""


def test_variables_that_select_another_python_are_removed(complete: Checkout) -> None:
    """PYTHONHOME is of another Python, UV_PROJECT_ENVIRONMENT of another project."""
    show = ("bash", "-c", "echo ${PYTHONHOME-unset} ${UV_PROJECT_ENVIRONMENT-unset}")
    given = {"UV_KNOWS_PYTHON": "1", "PYTHONHOME": "/elsewhere", "UV_PROJECT_ENVIRONMENT": "/other"}
    assert complete.run(*show, **given).stdout == "unset unset\n"


def test_processes_keep_their_compiled_modules(complete: Checkout) -> None:
    """A container's image often sets PYTHONDONTWRITEBYTECODE, with which every process compiles all that it imports."""
    show = ("bash", "-c", "echo ${PYTHONDONTWRITEBYTECODE-unset}")
    given = {"UV_KNOWS_PYTHON": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    assert complete.run(*show, **given).stdout == "unset\n"


def test_certificates_of_the_system_are_trusted_by_default(complete: Checkout) -> None:
    """A company's package index may have a certificate of its own."""
    show = ("bash", "-c", "echo $UV_SYSTEM_CERTS $NODE_USE_SYSTEM_CA")
    assert complete.run(*show, UV_KNOWS_PYTHON="1").stdout == "1 1\n"
    assert complete.run(*show, UV_KNOWS_PYTHON="1", UV_SYSTEM_CERTS="0", NODE_USE_SYSTEM_CA="0").stdout == "0 0\n"


def test_a_folder_of_another_user_is_reported_in_one_sentence(bare: Checkout) -> None:
    """As `sudo make` leaves it."""
    mkdir = shutil.which("mkdir")
    (bare.machine.path / "mkdir").unlink()
    bare.machine.install("mkdir", f"[[ $2 != *.tools/* ]] && exec {mkdir} \"$@\"; echo 'mkdir: denied' >&2; exit 1")
    stopped = bare.run("uv", "sync")
    assert stopped.returncode == 1
    assert stopped.stderr.startswith(f"{bare.root}/.tools cannot be written, where uv would be installed.")


def test_an_unusable_cache_is_reported_in_one_sentence(complete: Checkout) -> None:
    """Otherwise uv would end the search for a Python, and Python would seem to be what is missing."""
    (complete.home / "cache").touch()
    (complete.root / ".tools").touch()
    stopped = complete.run("uv", "sync", UV_KNOWS_PYTHON="1")
    assert (stopped.returncode, stopped.stdout) == (1, "")
    assert stopped.stderr == (
        f"Neither uv's cache {complete.home}/cache nor {complete.root}/.tools/cache can be written."
        " Make one of them writable, or set UV_CACHE_DIR to a folder that is.\n"
    )


def test_an_environment_of_another_machine_is_recreated(complete: Checkout) -> None:
    """A checkout that two machines share, or that was copied; uv itself gives up at a Python that it cannot start."""
    python = complete.root / ".venv" / "bin" / "python"
    python.parent.mkdir(parents=True)
    python.write_bytes(b"\x7fELF of another architecture")
    python.chmod(0o755)
    done = complete.run("uv", "sync", UV_KNOWS_PYTHON="1")
    assert (done.returncode, done.stdout) == (0, "uv sync\n")
    assert done.stderr == "The Python of .venv does not run, as if it came from another machine; .venv is made anew.\n"
    assert not python.exists()
