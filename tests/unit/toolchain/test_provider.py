"""The AWS provider is looked for in TF_PLUGIN_DIR, in mirrors on the machine, and in the registry."""

import errno
import os
import re
from pathlib import Path

import pytest

from tests.support.checkout import ROOT
from tests.unit.toolchain.conftest import ADDRESS, Computer, hold_provider
from tools.errors import OperatorError
from tools.toolchain.provider import SHARED_PLACES, mirrors_below


@pytest.fixture
def equipped(computer: Computer) -> Computer:
    """A machine with Terraform."""
    computer.install_terraform()
    return computer


def test_the_folder_named_by_the_user_is_used(equipped: Computer, tmp_path: Path) -> None:
    """As it is: Terraform checks it with every stack."""
    mirror = hold_provider(tmp_path / "mine")
    provider = equipped.find_provider(TF_PLUGIN_DIR=str(mirror))
    assert (provider.folder, provider.lock) == (mirror, equipped.stack / ".terraform.lock.hcl")
    assert equipped.printed == []


@pytest.mark.parametrize("folder", ["nowhere", "empty"])
def test_a_named_folder_without_the_provider_is_reported_in_one_sentence(
    equipped: Computer, tmp_path: Path, folder: str
) -> None:
    """Rather than a search that they did not ask for, or an error of Terraform's in every stack."""
    (tmp_path / "empty").mkdir()
    with pytest.raises(OperatorError, match=f"TF_PLUGIN_DIR names .*{folder}, which does not hold the AWS provider"):
        equipped.find_provider(TF_PLUGIN_DIR=str(tmp_path / folder))


@pytest.mark.parametrize("place", ["home/.terraform.d/plugins", "opt/mirrors/terraform"])
def test_a_mirror_in_the_usual_places_is_used(equipped: Computer, tmp_path: Path, place: str) -> None:
    """One line says so; it is checked once, and kept with this platform's hash."""
    mirror = hold_provider(tmp_path / place)
    provider = equipped.find_provider()
    assert equipped.find_provider() == provider
    assert equipped.printed == [f"The AWS provider comes from {mirror}, which holds the locked one."]
    assert len(list((provider.folder / ADDRESS).glob("*/*/terraform-provider-aws*"))) == 1
    assert provider.lock.read_text() == "the lock\nhash of this platform\n"


def test_the_usual_places_are_the_ones_that_the_readme_names() -> None:
    """A machine whose mirror is in one of them needs no variable."""
    (row,) = re.findall(r"^\| its AWS provider \| (.*) \| .* \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    named = re.findall("`(.+?)`", row.partition("a mirror in ")[2])
    assert named == ["~/.terraform.d", *map(str, SHARED_PLACES)]


def test_a_mirror_without_the_locked_provider_is_skipped(equipped: Computer, tmp_path: Path) -> None:
    """Another version, or a damaged one: Terraform refuses it by the lock's hash; the registry is asked."""
    wrong = tmp_path / "opt"
    (wrong / ADDRESS).mkdir(parents=True)
    hold_provider(equipped.registry)
    equipped.find_provider()
    assert equipped.printed == [
        f"{wrong} does not hold the AWS provider that the lock names.",
        "Fetching the AWS provider as Terraform is configured to, from its registry by default.",
    ]


def test_a_missing_mirror_and_registry_are_reported_in_one_sentence_with_the_fix(equipped: Computer) -> None:
    """Terraform's own message names no way round."""
    with pytest.raises(OperatorError, match="Terraform cannot fetch the AWS provider") as caught:
        equipped.find_provider()
    assert "TF_PLUGIN_DIR" in caught.value.remedy
    hold_provider(equipped.registry)
    assert equipped.find_provider().folder.is_dir()


def test_a_new_lock_gets_its_own_provider(equipped: Computer) -> None:
    """The kept one is of another version."""
    hold_provider(equipped.registry)
    before = equipped.find_provider()
    (equipped.stack / ".terraform.lock.hcl").write_text("another lock\n")
    after = equipped.find_provider()
    assert before.folder != after.folder
    assert after.lock.read_text().startswith("another lock\n")


def test_a_link_to_a_missing_mirror_is_replaced(equipped: Computer) -> None:
    """Terraform links to a mirror where it can."""
    hold_provider(equipped.registry)
    (program,) = (equipped.find_provider().folder / ADDRESS).glob("*/*/*")
    program.unlink()
    equipped.find_provider()
    assert program.is_file()


def test_a_cache_that_cannot_be_written_is_reported_in_one_sentence(equipped: Computer) -> None:
    """Here a file has the folder's place."""
    hold_provider(equipped.registry)
    (equipped.home / ".cache").touch()
    with pytest.raises(OperatorError, match=r"The cache .* cannot be written"):
        equipped.find_provider()


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EFBIG, errno.EDQUOT], ids=errno.errorcode.__getitem__)
def test_a_full_disk_is_reported_in_one_sentence_with_the_fix(equipped: Computer, tmp_path: Path, number: int) -> None:
    """Terraform reports it as a failed installation, in broken lines, as if the network were the cause."""
    hold_provider(tmp_path / "opt")
    reason = os.strerror(number)
    lines = "\n".join(reason.lower().rsplit(" ", 1))
    equipped.fail_installing(
        f"Error: Failed to install provider\n\nError while installing hashicorp/aws: write {lines}\n"
    )
    with pytest.raises(OperatorError, match=rf"The cache .*tools cannot be written: {reason}\.$") as caught:
        equipped.find_provider()
    assert caught.value.remedy.startswith("Free some space")
    assert equipped.printed == []
    assert not any(path.name.startswith("provider-") and path.is_dir() for path in equipped.cache.iterdir())


def test_the_search_for_mirrors_is_bounded(tmp_path: Path) -> None:
    """Three levels down it ends, and links are not followed."""
    near = hold_provider(tmp_path / "place" / "1" / "2" / "3")
    hold_provider(tmp_path / "place" / "1" / "2" / "3" / "4")
    (tmp_path / "place" / "link").symlink_to(hold_provider(tmp_path / "elsewhere"))
    assert list(mirrors_below(tmp_path / "place")) == [near]


def test_the_shallowest_mirror_comes_first(tmp_path: Path) -> None:
    """A nested one is likelier to be a tool's own."""
    nested, near = hold_provider(tmp_path / "a" / "b"), hold_provider(tmp_path / "z")
    assert list(mirrors_below(tmp_path)) == [near, nested]


def test_a_provider_without_its_lock_is_installed_again(equipped: Computer) -> None:
    """Every stack copies the lock: one that is missing would end each `loudhailer up`."""
    hold_provider(equipped.registry)
    provider = equipped.find_provider()
    provider.lock.unlink()
    assert equipped.find_provider().lock.is_file()
