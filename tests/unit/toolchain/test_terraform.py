"""Terraform is the one on PATH, or HashiCorp's pinned release, verified."""

import resource
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.unit.toolchain.conftest import Computer
from tools.errors import OperatorError
from tools.toolchain import terraform
from tools.toolchain.terraform import CHECKSUMS, RELEASE, terraform_environment, this_platform


@contextmanager
def full_disk() -> Iterator[None]:
    """Files of this process cannot grow over 100 bytes."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.fixture
def released(computer: Computer, monkeypatch: pytest.MonkeyPatch) -> Computer:
    """A machine without Terraform that reaches a release with the pinned checksum."""
    monkeypatch.setitem(CHECKSUMS, this_platform(), computer.release_terraform())
    return computer


@pytest.mark.parametrize("version", ["1.11.0", "1.11.4-beta1", "1.20.0", "2.0.1"])
def test_a_terraform_on_path_is_used(computer: Computer, version: str) -> None:
    """Versions are compared as numbers, and nothing is fetched."""
    program = computer.install_terraform(version)
    assert computer.find_terraform() == str(program)
    assert computer.printed == []


@pytest.mark.parametrize("version", ["1.10.5", "1.9.8", "0.15.5"])
def test_an_older_terraform_is_ignored(released: Computer, version: str) -> None:
    """The sources need 1.11."""
    released.install_terraform(version)
    assert Path(released.find_terraform()).is_relative_to(released.cache)


def test_a_shim_that_refuses_to_run_is_skipped(computer: Computer, tmp_path: Path) -> None:
    """A version manager may be first on PATH and have no version chosen."""
    shims = tmp_path / "shims"
    shims.mkdir()
    (shims / "terraform").write_text("#!/bin/bash\nexit 126\n")
    (shims / "terraform").chmod(0o755)
    program = computer.install_terraform()
    assert computer.find_terraform(PATH=f"{shims}:{computer.path}") == str(program)


def test_the_pinned_release_is_fetched_once(released: Computer) -> None:
    """One line says so; it can be run, and is in the user's cache without its archive."""
    program = released.find_terraform()
    assert terraform.is_new_enough(program)
    assert released.find_terraform() == program
    assert released.printed == [
        f"Downloading Terraform {RELEASE} into {released.cache} (PATH has none of version 1.11 or newer)."
    ]
    assert [path.name for path in Path(program).parent.iterdir()] == ["terraform"]
    assert Path(program).is_relative_to(released.cache)


def test_an_archive_with_another_checksum_is_refused_before_unpacking(computer: Computer) -> None:
    """Whatever server it comes from: the checksum is in the repository."""
    found = computer.release_terraform()
    with pytest.raises(OperatorError, match=f"its SHA-256 is {found}, not {CHECKSUMS[this_platform()]}"):
        computer.find_terraform()
    assert list(computer.cache.rglob("terraform")) == []


def test_unreachable_releases_are_reported_in_one_sentence_with_the_fix(computer: Computer) -> None:
    """A newcomer learns what to install, or how to name a mirror."""
    with pytest.raises(OperatorError, match=r"Terraform 1\.11 or newer is missing") as caught:
        computer.find_terraform()
    assert "https://developer.hashicorp.com/terraform/install" in caught.value.remedy
    assert "LOUDHAILER_HASHICORP_RELEASES" in caught.value.remedy


def test_a_platform_without_a_release_is_reported_in_one_sentence_with_the_fix(
    released: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No checksum, no download."""
    monkeypatch.delitem(CHECKSUMS, this_platform())
    with pytest.raises(OperatorError, match=f"no release for {this_platform()}") as caught:
        released.find_terraform()
    assert "https://" in caught.value.remedy


def test_a_cache_that_cannot_be_written_is_reported_in_one_sentence(released: Computer) -> None:
    """Here a file has the folder's place; with another cache it works."""
    (released.home / ".cache").touch()
    with pytest.raises(OperatorError, match=r"The cache .* cannot be written") as caught:
        released.find_terraform()
    assert "XDG_CACHE_HOME" in caught.value.remedy
    elsewhere = released.home / "elsewhere"
    assert Path(released.find_terraform(XDG_CACHE_HOME=str(elsewhere))).is_relative_to(elsewhere)


def test_a_full_disk_is_reported_in_one_sentence_and_the_next_attempt_succeeds(released: Computer) -> None:
    """Nothing half-made is left."""
    with full_disk(), pytest.raises(OperatorError, match=r"The cache .* cannot be written: File too large\."):
        released.find_terraform()
    assert [path for path in released.cache.iterdir() if path.suffix != ".lock"] == []
    assert Path(released.find_terraform()).is_file()


def test_remains_of_a_killed_download_do_not_count(released: Computer) -> None:
    """It is built beside its place; the next try starts again."""
    place = Path(released.find_terraform()).parent
    place.rename(place.with_name(f"{place.name}.new"))
    assert Path(released.find_terraform()).is_file()
    assert sorted(path.name for path in place.parent.iterdir()) == [place.name, f"{place.name}.lock"]


def test_two_processes_at_once_download_it_once(released: Computer) -> None:
    """The others say that they wait for the first, and use what that has fetched."""
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda _: released.find_terraform(), range(4)))
    assert len(set(found)) == 1
    waiting = f"Another command makes {Path(found[0]).parent}; waiting …"
    assert len([line for line in released.printed if line != waiting]) == 1


def test_a_relative_cache_does_not_count(released: Computer) -> None:
    """As the standard of base directories says."""
    assert Path(released.find_terraform(XDG_CACHE_HOME="relative")).is_relative_to(released.home)


def test_variables_that_would_change_an_apply_are_removed(tmp_path: Path) -> None:
    """TF_VAR_ and TF_CLI_ARGS of the operator's shell belong to other projects."""
    environment = terraform_environment(
        {
            "PATH": "/bin",
            "TF_VAR_prefix": "x",
            "TF_CLI_ARGS_apply": "-target=x",
            "TF_CLI_CONFIG_FILE": str(tmp_path / "missing"),
            "TF_PLUGIN_DIR": "/mirror",
        }
    )
    assert {name for name in environment if name.startswith("TF_")} == {"TF_PLUGIN_DIR", "TF_IN_AUTOMATION"}
    assert environment["PATH"] == "/bin"


@pytest.mark.parametrize(("given", "expected"), [({}, "400"), ({"GOGC": "50"}, "50")])
def test_garbage_is_collected_less_often_by_default(given: dict[str, str], expected: str) -> None:
    """The operator of a small machine may want the memory back."""
    assert terraform_environment(given)["GOGC"] == expected


def test_a_configuration_file_that_exists_is_kept(tmp_path: Path) -> None:
    """It may name a mirror."""
    file = tmp_path / "terraformrc"
    file.touch()
    assert terraform_environment({"TF_CLI_CONFIG_FILE": str(file)})["TF_CLI_CONFIG_FILE"] == str(file)


def test_a_kept_terraform_that_does_not_run_is_fetched_again(released: Computer) -> None:
    """A machine that lost its power may have kept its name and not its content."""
    program = Path(released.find_terraform())
    program.write_bytes(b"")
    assert terraform.is_new_enough(released.find_terraform())
    assert terraform.is_new_enough(released.find_terraform())
    assert len(released.printed) == 2


def test_a_cache_without_permission_to_execute_is_reported_in_one_sentence(
    released: Computer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It may be mounted with noexec."""
    monkeypatch.setattr(Path, "chmod", lambda *_: None)
    with pytest.raises(OperatorError, match=r"Terraform .* does not run in") as caught:
        released.find_terraform()
    assert "XDG_CACHE_HOME" in caught.value.remedy
