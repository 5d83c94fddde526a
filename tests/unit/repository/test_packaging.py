"""The project is installed from a checkout, and never built into a package."""

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
