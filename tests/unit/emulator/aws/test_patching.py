"""A patch goes in only where it was made for."""

import importlib
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.emulator.aws.patching import Patch, PatchRefusedError, apply, source_sha256

_ORIGINAL = '''def greet():
    """The stock function."""
    return "stock"
'''


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """A package with a function, and a second module that imported it by name."""
    folder = tmp_path / "emulator_under_test"
    folder.mkdir()
    (folder / "__init__.py").touch()
    (folder / "core.py").write_text(_ORIGINAL)
    (folder / "user.py").write_text("from emulator_under_test.core import greet as say\n")
    monkeypatch.syspath_prepend(tmp_path)
    importlib.import_module("emulator_under_test.user")
    yield folder.name
    for name in [name for name in sys.modules if name.startswith(folder.name)]:
        del sys.modules[name]


def _greet() -> str:
    return "patched"


def _sha256(package: str) -> str:
    return source_sha256(importlib.import_module(f"{package}.core").greet)


def test_a_function_is_replaced_in_every_module_that_imported_it(package: str) -> None:
    """Both the module that defines it and the one that took its name get the replacement."""
    apply([Patch(f"{package}.core:greet", _sha256(package), _greet)], package)
    assert importlib.import_module(f"{package}.core").greet() == "patched"
    assert importlib.import_module(f"{package}.user").say() == "patched"


def test_a_changed_function_is_refused_with_both_hashes_and_the_fix(package: str) -> None:
    """The sentence names the function, the expected and the found hash, and the way out."""
    with pytest.raises(PatchRefusedError) as refused:
        apply([Patch(f"{package}.core:greet", "0" * 64, _greet)], package)
    message = str(refused.value)
    assert message.startswith(f"{package}.core:greet is not the function its patch was written for: ")
    assert f"expected sha256 {'0' * 64}, found {_sha256(package)}" in message
    assert "uv sync" in message
    assert "tools/emulator/aws/gaps" in message


def test_one_mismatch_leaves_everything_unpatched_and_every_mismatch_is_named(package: str) -> None:
    """Half a set of patches would be worse than none."""
    fitting = Patch(f"{package}.core:greet", _sha256(package), _greet)
    misfits = [Patch(f"{package}.core:greet", letter * 64) for letter in "ab"]
    with pytest.raises(PatchRefusedError) as refused:
        apply([fitting, *misfits], package)
    assert "a" * 64 in str(refused.value)
    assert "b" * 64 in str(refused.value)
    assert importlib.import_module(f"{package}.core").greet() == "stock"


def test_a_missing_function_is_refused_by_name(package: str) -> None:
    """A release that renamed it is no reason for a traceback."""
    with pytest.raises(PatchRefusedError, match=f"{package}.core:wave is patched by the local AWS, but does not exist"):
        apply([Patch(f"{package}.core:wave", "0" * 64, _greet)], package)


def test_a_pinned_function_is_not_changed(package: str) -> None:
    """A patch without a replacement only checks."""
    apply([Patch(f"{package}.core:greet", _sha256(package))], package)
    assert importlib.import_module(f"{package}.core").greet() == "stock"


def test_two_replacements_of_one_function_are_refused(package: str) -> None:
    """The second would be without effect, and nobody would know."""
    patch = Patch(f"{package}.core:greet", _sha256(package), _greet)
    with pytest.raises(PatchRefusedError, match=r"Two gaps replace .*core:greet"):
        apply([patch, patch], package)
    assert importlib.import_module(f"{package}.core").greet() == "stock"


def test_a_function_may_be_pinned_by_one_gap_and_replaced_by_another(package: str) -> None:
    """Any further patch builds on the function that the first was written for."""
    replaced = Patch(f"{package}.core:greet", _sha256(package), _greet)
    apply([Patch(replaced.target, replaced.sha256), replaced], package)
    assert importlib.import_module(f"{package}.core").greet() == "patched"
