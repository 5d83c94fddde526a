"""A container engine: the one that the machine has, or one of the project's own for as long as a command needs it."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from tools.errors import OperatorError
from tools.image import private_engine

_INSTALL = (
    "Install Docker (https://docs.docker.com/engine/install/) and start it; or, as root on Debian, "
    "`apt-get install docker.io mmdebstrap`, and an engine is started whenever it is needed."
)
_ANSWER_SECONDS = 20.0
_LONGEST_PROBLEM = 2_000


@dataclass(frozen=True)
class ContainerEngine:
    """An engine that answers, and a client of it that can build.

    Attributes:
        client: the path of the program `docker`.
        address: what DOCKER_HOST has to be.
        private: it was started for us, and ends when nobody needs it.
    """

    client: str
    address: str
    private: bool = False

    def run(self, *arguments: str) -> str:
        """Run one command of the client; return its standard output."""
        done = subprocess.run(
            [self.client, *arguments],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode != 0:
            raise OperatorError(f"docker {arguments[0]} failed. {_problem(done.stderr)}")
        return done.stdout.strip()

    def knows(self, image: str) -> bool:
        """Tell whether it has the image."""
        try:
            self.run("image", "inspect", image)
        except OperatorError:
            return False
        return True

    def feed(self, command: list[str], *arguments: str) -> str:
        """Run one command of the client with another program's output as input; return its standard output."""
        with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE) as source:
            done = subprocess.run(
                [self.client, *arguments],
                env=self.environment,
                stdin=source.stdout,
                capture_output=True,
                text=True,
                check=False,
            )
        if source.returncode != 0 or done.returncode != 0:
            raise OperatorError(f"{command[0]} could not be read by docker {arguments[0]}. {done.stderr.strip()}")
        return done.stdout.strip()

    @property
    def environment(self) -> dict[str, str]:
        """The client's: BuildKit with the engine's own builder; no attestations, which would make the image an index.

        Lambda refuses an index: https://docs.aws.amazon.com/lambda/latest/dg/python-image.html.
        """
        return {
            **os.environ,
            "DOCKER_HOST": self.address,
            "DOCKER_BUILDKIT": "1",
            "BUILDX_BUILDER": "default",
            "BUILDX_NO_DEFAULT_ATTESTATIONS": "1",
        }


@contextmanager
def running_engine() -> Iterator[ContainerEngine]:
    """An engine for the block. OperatorError, saying how to get one, if there is none and none can be started."""
    client = _client()
    address = _address(client)
    if _answers(client, address):
        yield ContainerEngine(client, address)
    elif private_engine.possible():
        with private_engine.held(lambda private: _answers(client, private)) as private:
            yield ContainerEngine(client, private, private=True)
    else:
        raise OperatorError("No container engine answers, and none can be started here.", _INSTALL)


@contextmanager
def engine_at(address: str) -> Iterator[ContainerEngine]:
    """The engine that was found at the address, kept for the block if it ends when nobody needs it."""
    with private_engine.used(address):
        yield ContainerEngine(_client(), address)


def _client() -> str:
    """The first `docker` on PATH that can build: an old one by itself, a newer one only with its plugin buildx."""
    folders = os.environ.get("PATH", os.defpath).split(os.pathsep)
    programs = [program for folder in folders if (program := shutil.which("docker", path=folder))]
    if not programs:
        raise OperatorError("The program docker is missing, which builds and runs images.", _INSTALL)
    for program in programs:
        if _succeeds([program, "buildx", "version"]) or _major_version(program) < _FIRST_WITH_PLUGIN:
            return program
    raise OperatorError(
        f"{programs[0]} cannot build: its plugin buildx is missing.",
        "Install it: https://docs.docker.com/build/install-buildx/.",
    )


def _problem(output: str) -> str:
    """Return the error messages of a build's steps, else its last lines."""
    errors = [line.partition("ERROR: ")[2] for line in output.splitlines() if "ERROR: " in line]
    return "; ".join(dict.fromkeys(errors)) or output.strip()[-_LONGEST_PROBLEM:]


_FIRST_WITH_PLUGIN = 23
"""Docker 23 moved BuildKit's part of the client to the plugin: https://docs.docker.com/engine/release-notes/23.0/."""


def _major_version(program: str) -> int:
    output = subprocess.run([program, "--version"], capture_output=True, text=True, check=False).stdout
    number = output.removeprefix("Docker version ").partition(".")[0]
    return int(number) if number.isdecimal() else _FIRST_WITH_PLUGIN


def _address(client: str) -> str:
    """Return where the client's current context, or DOCKER_HOST, says that the engine is."""
    if address := os.environ.get("DOCKER_HOST"):
        return address
    found = subprocess.run(
        [client, "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"],
        capture_output=True,
        text=True,
        check=False,
    )
    return found.stdout.strip() or "unix:///var/run/docker.sock"


def _answers(client: str, address: str) -> bool:
    return _succeeds([client, "version"], {**os.environ, "DOCKER_HOST": address})


def _succeeds(command: list[str], environment: dict[str, str] | None = None) -> bool:
    quiet = subprocess.DEVNULL
    try:
        return (
            subprocess.run(
                command, env=environment, stdin=quiet, stdout=quiet, stderr=quiet, check=False, timeout=_ANSWER_SECONDS
            ).returncode
            == 0
        )
    except subprocess.TimeoutExpired:
        return False
