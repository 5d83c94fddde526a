"""Templates in the user's cache: whole or not there, the newest few, and nobody else's."""

import errno
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NoReturn

import pytest

from tools.stack.template import DamagedTemplateError, Template
from tools.stack.template_store import TemplateStore


@pytest.fixture
def store(tmp_path: Path) -> TemplateStore:
    """A store of two templates whose folder is not there yet."""
    return TemplateStore(tmp_path / "cache" / "templates", most=2)


def template_of(key: str, code: str = "code") -> Template:
    """A small template."""
    return Template(key, code, {}, {}, {"terraform.tfstate": b"{}"})


def file_of(store: TemplateStore, key: str) -> Path:
    """The file of a template."""
    return store.folder / f"{key}.template"


def test_a_stored_template_is_found_until_it_is_removed(store: TemplateStore) -> None:
    """Its key finds it, and no other key does."""
    store.keep(template_of("a"))
    assert store.find("a") == template_of("a")
    assert store.find("b") is None
    store.remove("a")
    assert store.find("a") is None
    store.remove("a")


def test_templates_are_stored_in_the_users_private_cache(tmp_path: Path) -> None:
    """XDG_CACHE_HOME names its folder, or else the home directory does."""
    store = TemplateStore.of_the_user({"XDG_CACHE_HOME": str(tmp_path)})
    assert store.folder == tmp_path / "loudhailer" / "templates"
    assert TemplateStore.of_the_user({"HOME": "/a"}).folder == Path("/a/.cache/loudhailer/templates")
    store.keep(template_of("a"))
    assert store.folder.stat().st_mode & 0o777 == 0o700
    assert file_of(store, "a").stat().st_mode & 0o077 == 0


def test_the_most_recently_used_templates_are_kept(store: TemplateStore) -> None:
    """To find one is to use it."""
    for time, key in enumerate(("a", "b")):
        store.keep(template_of(key))
        os.utime(file_of(store, key), (time, time))
    store.find("a")
    store.keep(template_of("c"))
    assert [key for key in "abc" if store.find(key)] == ["a", "c"]


def test_leftovers_of_a_killed_command_are_removed_in_time(store: TemplateStore) -> None:
    """It is never taken for a template, and what another command is writing now stays."""
    store.folder.mkdir(parents=True)
    abandoned, written = store.folder / "unfinished-1", store.folder / "unfinished-2"
    for path in (abandoned, written):
        path.write_bytes(template_of("a").to_bytes()[:50])
    os.utime(abandoned, (0, 0))
    assert store.find("a") is None
    store.keep(template_of("a"))
    assert store.find("a") == template_of("a")
    assert not abandoned.exists()
    assert written.exists()


def test_concurrent_writers_of_one_key_leave_one_whole_template(store: TemplateStore) -> None:
    """And readers meanwhile find one or the other."""
    codes = [str(number) for number in range(20)]
    store.keep(template_of("a", codes[0]))
    with ThreadPoolExecutor(8) as threads:
        kept = threads.map(lambda code: store.keep(template_of("a", code)), codes)
        found = list(threads.map(lambda _: store.find("a"), codes))
        list(kept)
    assert [template for template in found if template is None or template.code not in codes] == []
    assert [path.name for path in store.folder.iterdir()] == ["a.template"]


def test_a_full_disk_leaves_the_earlier_template(store: TemplateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing half-written."""
    store.keep(template_of("a"))

    def full(_descriptor: int) -> NoReturn:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.keep(template_of("a", "other"))
    assert store.find("a") == template_of("a")
    assert [path.name for path in store.folder.iterdir()] == ["a.template"]


def test_a_cache_that_cannot_be_created_is_a_system_error(store: TemplateStore) -> None:
    """Its caller continues without."""
    store.folder.parent.write_text("no folder")
    with pytest.raises(OSError, match="Not a directory"):
        store.keep(template_of("a"))
    assert store.find("a") is None
    store.remove("a")


def test_a_folder_in_place_of_a_template_is_refused(store: TemplateStore) -> None:
    """Whatever is there, the command continues."""
    file_of(store, "a").mkdir(parents=True)
    with pytest.raises(DamagedTemplateError, match="cannot be read"):
        store.find("a")
    store.remove("a")


@pytest.mark.parametrize("others", ["file", "folder"])
def test_a_template_writable_by_other_users_is_refused(store: TemplateStore, others: str) -> None:
    """A template holds code that is run."""
    store.keep(template_of("a"))
    (file_of(store, "a") if others == "file" else store.folder).chmod(0o777)
    with pytest.raises(DamagedTemplateError, match="others can write"):
        store.find("a")


def test_a_template_of_another_user_is_refused(store: TemplateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if nobody else can write to it now."""
    store.keep(template_of("a"))
    monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    with pytest.raises(DamagedTemplateError, match="others can write"):
        store.find("a")
