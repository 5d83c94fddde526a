"""The project is installed from a checkout and never built into a package; the clients are packages."""

import json
import tomllib
import zipfile
from pathlib import Path

import pytest
from hatchling.build import build_editable, build_sdist, build_wheel

from tests.support.checkout import ROOT


@pytest.mark.parametrize("build", [build_wheel, build_sdist])
def test_no_package_is_built(build: object, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wheel could not start: it has neither Terraform's modules nor the packages of the command line."""
    monkeypatch.chdir(ROOT)
    assert callable(build)
    with pytest.raises(RuntimeError, match="runs from a checkout"):
        build(str(tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_a_checkout_can_be_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The editable install is how `uv sync` brings the command `loudhailer`."""
    monkeypatch.chdir(ROOT)
    assert (tmp_path / build_editable(str(tmp_path))).is_file()


CLIENTS = ROOT / "clients"
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]


def test_the_client_in_python_is_built_into_a_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With its types, its licence, and nothing of the repository."""
    monkeypatch.chdir(CLIENTS / "python")
    with zipfile.ZipFile(tmp_path / build_wheel(str(tmp_path))) as wheel:
        names = wheel.namelist()
    sources = {f"loudhailer_client/{path.name}" for path in (CLIENTS / "python/src/loudhailer_client").glob("*.py")}
    assert sources | {"loudhailer_client/py.typed"} == {name for name in names if ".dist-info/" not in name}
    assert [name for name in names if name.endswith("/licenses/LICENSE")] != []
    assert (tmp_path / build_sdist(str(tmp_path))).stat().st_size < 100_000


def test_the_clients_have_the_version_of_the_service() -> None:
    """They are released with it, under its licence."""
    python = tomllib.loads((CLIENTS / "python/pyproject.toml").read_text())["project"]
    javascript = json.loads((CLIENTS / "javascript/package.json").read_text())
    assert (python["version"], javascript["version"]) == (VERSION, VERSION)
    assert (python["license"], javascript["license"]) == ("MIT", "MIT")
    licence = (ROOT / "LICENSE").read_text()
    assert [(CLIENTS / name / "LICENSE").read_text() for name in ("python", "javascript")] == [licence, licence]


def test_the_client_in_javascript_has_no_dependencies() -> None:
    """A page that imports it loads nothing else."""
    package = json.loads((CLIENTS / "javascript/package.json").read_text())
    assert "dependencies" not in package
    tools = json.loads((ROOT / "tests/package.json").read_text())["devDependencies"]
    assert package["devDependencies"].items() <= tools.items()
    assert all(kind["optional"] for kind in package["peerDependenciesMeta"].values())
    assert package["peerDependencies"].keys() == package["peerDependenciesMeta"].keys()
