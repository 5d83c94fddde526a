"""Choice of the engine and of its client; the programs are stand-ins."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.image import private_engine
from tools.image.engine import ContainerEngine, running_engine

# With buildx or without, at an address where an engine answers.
_CLIENT = """\
#!/bin/sh
case "$1 $2" in
    "buildx version") exit {buildx} ;;
    "--version "*) echo "Docker version {version}, build 1" ;;
    "context inspect") echo unix:///of-the-context ;;
    "version "*) [ "$DOCKER_HOST" = "{engine}" ] ;;
    *) echo "$DOCKER_HOST $DOCKER_BUILDKIT $*" ;;
esac
"""


class Machine:
    """A PATH with the clients that a test puts there."""

    def __init__(self, folder: Path, patch: pytest.MonkeyPatch) -> None:
        self._folder = folder
        self._patch = patch
        self._path: list[str] = ["/usr/bin", "/bin"]
        patch.setenv("PATH", str(folder / "nothing"))
        patch.delenv("DOCKER_HOST", raising=False)

    def install(self, name: str, *, version: str = "28.2.2", buildx: bool = True, engine: str = "") -> str:
        """Put a client behind the others; its path."""
        program = self._folder / name / "docker"
        program.parent.mkdir()
        program.write_text(_CLIENT.format(buildx=0 if buildx else 1, version=version, engine=engine))
        program.chmod(0o755)
        self._path.insert(-2, str(program.parent))
        self._patch.setenv("PATH", ":".join(self._path[:-2]))
        return str(program)


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    """A machine without any client, and without rights to start an engine."""
    monkeypatch.setattr(private_engine, "possible", lambda: False)
    return Machine(tmp_path, monkeypatch)


def test_a_missing_client_is_reported_with_the_remedy(machine: Machine) -> None:  # noqa: ARG001 (it empties PATH)
    """One sentence names the missing part, another explains how to get it."""
    with pytest.raises(OperatorError, match="docker is missing") as failed, running_engine():
        pass
    assert "apt-get install docker.io mmdebstrap" in failed.value.remedy


def test_a_missing_engine_is_reported_with_the_remedy(machine: Machine) -> None:
    """A client alone is not enough."""
    machine.install("docker-ce")
    with pytest.raises(OperatorError, match="No container engine answers") as failed, running_engine():
        pass
    assert "https://docs.docker.com/engine/install/" in failed.value.remedy


def test_the_engine_of_the_context_is_taken(machine: Machine) -> None:
    """On a machine with Docker there is nothing to set."""
    client = machine.install("docker-ce", engine="unix:///of-the-context")
    with running_engine() as engine:
        assert engine == ContainerEngine(client, "unix:///of-the-context")
        assert engine.run("ps") == "unix:///of-the-context 1 ps"


def test_the_environment_takes_precedence_over_the_context(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """As for the client itself."""
    machine.install("docker-ce", engine="tcp://elsewhere")
    monkeypatch.setenv("DOCKER_HOST", "tcp://elsewhere")
    with running_engine() as engine:
        assert engine.address == "tcp://elsewhere"


@pytest.mark.parametrize(("version", "buildx"), [("20.10.24+dfsg1", False), ("28.2.2", True)])
def test_a_client_that_cannot_build_is_skipped(machine: Machine, version: str, *, buildx: bool) -> None:
    """A newer client without its plugin may be first on PATH."""
    machine.install("first", version="28.2.2", buildx=False, engine="unix:///of-the-context")
    able = machine.install("second", version=version, buildx=buildx, engine="unix:///of-the-context")
    with running_engine() as engine:
        assert engine.client == able


def test_a_single_client_that_cannot_build_is_reported_with_the_remedy(machine: Machine) -> None:
    """The plugin has a page of its own."""
    machine.install("first", buildx=False)
    with pytest.raises(OperatorError, match="buildx is missing") as failed, running_engine():
        pass
    assert "https://" in failed.value.remedy


def test_an_engine_is_started_if_none_answers(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    """For as long as the block lasts."""
    held: list[str] = []

    @contextmanager
    def hold(_answers: object) -> Iterator[str]:
        held.append("held")
        yield "unix:///private"
        held.append("given up")

    monkeypatch.setattr(private_engine, "possible", lambda: True)
    monkeypatch.setattr(private_engine, "held", hold)
    client = machine.install("docker-ce")
    with running_engine() as engine:
        assert engine == ContainerEngine(client, "unix:///private", private=True)
        assert held == ["held"]
    assert held == ["held", "given up"]


def test_a_failed_command_reports_the_output_of_the_client(tmp_path: Path) -> None:
    """The whole of its last words."""
    client = tmp_path / "docker"
    client.write_text("#!/bin/sh\necho 'no space left on device' >&2\nexit 1\n")
    client.chmod(0o755)
    with pytest.raises(OperatorError, match=r"docker build failed\. no space left on device"):
        ContainerEngine(str(client), "").run("build")
    assert not ContainerEngine(str(client), "").knows("any")
