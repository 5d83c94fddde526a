"""The place of the user's cache."""

from pathlib import Path
from typing import NoReturn

import pytest

from tools.toolchain.cache import account_home, home


def test_a_user_without_an_account_has_the_root_for_a_home(monkeypatch: pytest.MonkeyPatch) -> None:
    """`docker run --user 12345` gives a process a number that the password file does not know."""

    def unknown(number: int) -> NoReturn:
        raise KeyError(f"getpwuid(): uid not found: {number}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    assert account_home() == Path("/")
    assert home({"HOME": "/a"}) == Path("/a")
    assert home({}) == Path("/")
