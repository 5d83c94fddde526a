"""The channels that a session may subscribe to or publish to."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.errors import InvalidFieldError
from loudhailer.ids import Pattern, pattern
from loudhailer.sessions.grants import NO_GRANTS, Grants


@pytest.mark.parametrize(
    ("granted", "wanted", "is_allowed"),
    [
        ("news", "news", True),
        ("news", "news/*", False),
        ("news", "news/a", False),
        ("news/*", "news/*", True),
        ("news/*", "news/a", True),
        ("news/*", "news/a/b", True),
        ("news/*", "news/a/*", True),
        ("news/*", "news", False),
        ("news/*", "newspaper/a", False),
        ("news/a/*", "news/*", False),
        ("news/a/*", "news/b", False),
    ],
)
def test_a_grant_covers_the_channels_below_it(granted: str, wanted: str, *, is_allowed: bool) -> None:
    """With its rights alone; a grant to subscribe does not allow to publish."""
    for rights in ("s", "p", "sp"):
        grants = Grants.from_wire({granted: rights, "other": "sp"})
        assert grants.allow(Pattern(wanted), "s") is (is_allowed and "s" in rights)
        assert grants.allow(Pattern(wanted), "p") is (is_allowed and "p" in rights)
    assert not NO_GRANTS.allow(Pattern(wanted), "s")


@pytest.mark.parametrize(
    "illegal",
    [
        {"a/*": "x"},
        {"a/*": ""},
        {"a/*": "ps"},
        {"a/*": ["s"]},
        {"a": None},
        ["a"],
        "a",
        None,
        7,
        {f"a/{number}": "s" for number in range(51)},
        {f"{'x' * 100}/{number}": "s" for number in range(20)},
    ],
)
def test_malformed_grants_are_refused(illegal: object) -> None:
    """The error says what is legal."""
    with pytest.raises(InvalidFieldError) as refused:
        Grants.from_wire(illegal)
    assert str(refused.value) == "grants: must be up to 50 patterns with s, p or sp, of 2048 bytes together"


@pytest.mark.parametrize("illegal", ["*", "a//b", "room/*", "a/*/b", ""])
def test_a_grant_is_for_a_pattern(illegal: str) -> None:
    """Rooms are not granted, since `joinroom` alone enters them."""
    with pytest.raises(InvalidFieldError, match=r"^grants: "):
        Grants.from_wire({illegal: "s"})


@given(st.dictionaries(st.text("abc/", min_size=1, max_size=12), st.sampled_from(["s", "p", "sp"]), max_size=50))
def test_any_legal_grants_are_kept(wire: dict[str, str]) -> None:
    """Each pattern allows itself."""
    legal = {}
    for name, rights in wire.items():
        try:
            legal[pattern(f"{name}/*")] = rights
        except InvalidFieldError:
            continue
    grants = Grants.from_wire(legal)
    assert dict(grants.rights) == legal
    assert all(grants.allow(name, "s") for name, rights in legal.items() if "s" in rights)
