"""Folders of links in which Terraform runs, beside a checkout that nothing writes to."""

from pathlib import Path

import pytest

from tools.toolchain.links import link_sources, override_backend
from tools.toolchain.provider import LOCK


@pytest.fixture
def sources(tmp_path: Path) -> Path:
    """Sources of a stack and a module, with what Terraform has left beside them in the checkout."""
    sources = tmp_path / "checkout" / "terraform"
    for path in (
        *("stacks/hub/main.tf", f"stacks/hub/{LOCK}", "stacks/hub/backend.tf", "modules/one/templates/one.vtl"),
        *(
            "stacks/hub/.terraform/modules/modules.json",
            "stacks/hub/terraform.tfstate",
            "stacks/hub/backend_override.tf",
        ),
    ):
        (sources / path).parent.mkdir(parents=True, exist_ok=True)
        (sources / path).write_text(path)
    return sources


def below(folder: Path) -> dict[str, bool]:
    """Each file below a folder, and whether it is a link."""
    return {
        path.relative_to(folder).as_posix(): path.is_symlink()
        for path in folder.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_sources_are_linked_and_the_files_of_terraform_are_not(sources: Path, tmp_path: Path) -> None:
    """Settings, lock, state and backend of a stack stay in its folder."""
    link_sources(sources, tmp_path / "stack")
    assert below(tmp_path / "stack") == {
        "stacks/hub/main.tf": True,
        "stacks/hub/backend.tf": True,
        "modules/one/templates/one.vtl": True,
    }
    (sources / "stacks/hub/main.tf").write_text("edited")
    assert (tmp_path / "stack/stacks/hub/main.tf").read_text() == "edited"


def test_two_stacks_of_a_checkout_that_cannot_be_written_have_backends_of_their_own(
    sources: Path, tmp_path: Path
) -> None:
    """Nothing is written to the checkout, and its modes are not taken over."""
    before = {path: path.stat().st_mtime_ns for path in sources.rglob("*")}
    for path in (sources, *(path for path in sources.rglob("*") if path.is_dir())):
        path.chmod(0o500)
    for name, kind in (("one", "local"), ("two", "http")):
        link_sources(sources, tmp_path / name)
        override_backend(tmp_path / name / "stacks" / "hub", kind)
    assert 'backend "local"' in (tmp_path / "one/stacks/hub/backend_override.tf").read_text()
    assert 'backend "http"' in (tmp_path / "two/stacks/hub/backend_override.tf").read_text()
    assert (tmp_path / "one/stacks/hub").stat().st_mode & 0o200
    for path in (sources, *(path for path in sources.rglob("*") if path.is_dir())):
        path.chmod(0o700)
    assert {path: path.stat().st_mtime_ns for path in sources.rglob("*")} == before


def test_links_are_brought_up_to_date_and_the_provider_stays(sources: Path, tmp_path: Path) -> None:
    """Old copies, old links and dead links go; everything that `init` has installed stays."""
    folder = tmp_path / "stack"
    link_sources(sources, folder)
    provider = folder / "stacks/hub/.terraform/providers/aws"
    provider.parent.mkdir(parents=True)
    provider.symlink_to(sources)
    (folder / "stacks/hub/copied.tf").write_text("a copy of an earlier release")
    (sources / "stacks/hub/main.tf").rename(sources / "stacks/hub/hub.tf")
    link_sources(sources, folder)
    assert below(folder).keys() == {
        *("stacks/hub/hub.tf", "stacks/hub/backend.tf", "modules/one/templates/one.vtl"),
        "stacks/hub/.terraform/providers/aws",
    }
