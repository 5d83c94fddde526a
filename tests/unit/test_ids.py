"""The grammars of the identifiers, and the keys made of them."""

import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer import ids
from loudhailer.errors import InvalidFieldError

PARSERS: list[tuple[Callable[..., str], str, str, int]] = [
    (ids.tenant_id, "tenantId", "Az09_-", 64),
    (ids.session_id, "sessionId", "Az09_-", 64),
    (ids.broadcast_id, "broadcastId", "Az09_-", 64),
    (ids.player_id, "playerId", "Az09_-.@", 128),
    (ids.room_key, "roomKey", "Az09_-.@", 128),
    (ids.connection_id, "connectionId", "Az09_-+/=", 128),
    (lambda value: ids.connection_ids(["legal", value])[1], "connectionIds", "Az09_-+/=", 128),
]
CELL_FORM = "cell: must be 2 to 16 lowercase letters, digits or '-', a letter first"
NAMES = [field for _, field, _, _ in PARSERS]


@pytest.mark.parametrize(("parse", "field", "alphabet", "longest"), PARSERS, ids=NAMES)
def test_an_id_may_use_its_whole_alphabet_up_to_its_length(
    parse: Callable[..., str], field: str, alphabet: str, longest: int
) -> None:
    """Both the alphabet and the longest id are legal, and one character more is not."""
    assert parse(alphabet) == alphabet
    assert parse("x" * longest) == "x" * longest
    with pytest.raises(InvalidFieldError, match=field):
        parse("x" * (longest + 1))


@pytest.mark.parametrize(("parse", "field", "alphabet", "longest"), PARSERS, ids=NAMES)
def test_an_illegal_id_is_refused_with_its_field(
    parse: Callable[..., str], field: str, alphabet: str, longest: int
) -> None:
    """Separators, white space, other scripts, control characters and other types never get in, nor into the error."""
    del alphabet, longest
    illegal: list[object] = [
        "",
        " ",
        "a b",
        "a#b",
        "a:b",
        "a,b",
        "a\n",
        "\na",
        "ä",
        "٣",
        "a\0",
        None,
        7,
        True,
        ["a"],
        {},
    ]
    for value in illegal:
        with pytest.raises(InvalidFieldError) as refused:
            parse(value)
        assert refused.value.field == field
        assert "ä" not in str(refused.value)


def test_an_error_uses_the_callers_name_of_the_field() -> None:
    """A dotted name is passed on as it is."""
    with pytest.raises(InvalidFieldError) as refused:
        ids.tenant_id("", "audience.tenantId")
    assert refused.value.field == "audience.tenantId"
    assert str(refused.value) == f"audience.tenantId: {refused.value.reason}"


def test_a_partition_has_a_number_of_five_digits_or_more() -> None:
    """Its key is a tenant's id, a hash sign and the number; numbers may have more than five digits."""
    for value in ("acme#00000", "a#12345", "a#123456", f"{'x' * 64}#00000"):
        assert ids.partition(value) == value
    for illegal in (
        "acme",
        "acme#",
        "acme#1",
        "acme#0000x",
        "#00000",
        "a#b#00000",
        "acme#00000\n",
        f"{'x' * 65}#00000",
    ):
        with pytest.raises(InvalidFieldError, match=r"^partition: must be \{tenantId\}#\{number of five digits\}$"):
            ids.partition(illegal)


def test_a_chunks_id_is_two_numbers() -> None:
    """That of its source and its own."""
    for value in ("12.345", "0.0", "999999999.999999999"):
        assert ids.chunk_id(value) == value
    for illegal in ("", "1", "1.", ".1", "1.1.1", "-1.0", "1.x", "1234567890.0", "0.1234567890", None, 1.1):
        with pytest.raises(InvalidFieldError, match=r"^chunkId: must be \{source\}.\{number\}$"):
            ids.chunk_id(illegal)


@given(st.text("ab1_-", min_size=1, max_size=64), st.integers(0, 10**7))
def test_a_partition_key_contains_its_tenant_and_number(tenant: str, number: int) -> None:
    """The parts of the key are read back, and the key is legal."""
    key = ids.nth_partition(ids.tenant_id(tenant), number)
    assert (ids.tenant_of(ids.partition(key)), ids.number_of(key)) == (tenant, number)


LONGEST_CHANNEL = "/".join(["s" * 50] * 5)
ROOM_IS_RESERVED = "channel: must not begin with the segment 'room': rooms are joined by joinroom"
NO_PATTERNS: list[object] = [
    *("", "/", "/a", "a/", "a//b", "a/b/c/d/e/f", "a/*/b", "*", "/*", "a*", "a/**", "a/*/*", "a b", "ü", "a/ü"),
    *("a\n", "a/*\n", "a#b", "a:b", "a,b", "٣", "a\0", "x" * 129, "x" * 10_000, "a/" * 5_000, LONGEST_CHANNEL + "ss"),
    *(LONGEST_CHANNEL + "ss/*", None, 7, True, ["a"], {"a": "b"}),
]


@pytest.mark.parametrize("name", ["a", "Az09_.@-", "x" * 128, "a/b/c/d/e", ".", "a/..", "rooms", LONGEST_CHANNEL + "s"])
def test_a_channel_has_up_to_five_segments(name: str) -> None:
    """A name is a pattern, and a pattern for what is below it is one, too."""
    assert (ids.channel(name), ids.pattern(name)) == (name, name)
    assert ids.pattern(f"{name}/*") == f"{name}/*"
    with pytest.raises(InvalidFieldError, match=r"^channel: must be 1 to 5 segments of .*, 255 characters at most$"):
        ids.channel(f"{name}/*")


@pytest.mark.parametrize("illegal", NO_PATTERNS)
def test_an_illegal_channel_is_refused_with_its_field(illegal: object) -> None:
    """The error names the field and the legal form, and does not repeat the value."""
    with pytest.raises(InvalidFieldError) as refused:
        ids.channel(illegal, "audience.channel")
    assert str(refused.value) == f"audience.channel: {ids._CHANNEL_FORM}"
    with pytest.raises(InvalidFieldError) as refused:
        ids.pattern(illegal)
    assert str(refused.value) == f"channel: {ids._PATTERN_FORM}"


@pytest.mark.parametrize("reserved", ["room", "room/lobby"])
def test_rooms_are_not_channels_of_clients(reserved: str) -> None:
    """Their members are entered by `joinroom` alone."""
    for parse in (ids.channel, ids.pattern, lambda name: ids.pattern(f"{name}/*")):
        with pytest.raises(InvalidFieldError) as refused:
            parse(reserved)
        assert str(refused.value) == ROOM_IS_RESERVED


def test_a_channel_is_matched_by_its_name_and_its_prefixes() -> None:
    """Five segments are matched by five patterns."""
    assert ids.patterns_of(ids.channel("a")) == ["a"]
    assert ids.patterns_of(ids.channel("a/b/c")) == ["a/b/c", "a/b/*", "a/*"]
    assert len(ids.patterns_of(ids.channel("a/b/c/d/e"))) == 5


CHANNELS = (
    st.lists(st.text("ab1_-.@", min_size=1, max_size=128), min_size=1, max_size=5)
    .map("/".join)
    .filter(lambda name: len(name) <= 255)
)


@given(st.text("ab1_-", min_size=1, max_size=64), CHANNELS, st.integers(0, 10**7))
def test_a_members_partition_contains_its_tenant_its_pattern_and_its_number(
    tenant: str, name: str, number: int
) -> None:
    """The parts of the key are read back; it is no key of connections, and theirs is a key of recipients, too."""
    owner = ids.tenant_id(tenant)
    for pattern in ids.patterns_of(ids.channel(name)):
        assert ids.pattern(pattern) == pattern
        audience = ids.channel_key(owner, pattern)
        key = ids.recipients_partition(ids.nth_partition(audience, number))
        assert (ids.tenant_of(key), ids.audience_of(key), ids.number_of(key)) == (tenant, audience, number)
        assert ids.is_of_channel(key)
        with pytest.raises(InvalidFieldError):
            ids.partition(key)
    of_connections = ids.nth_partition(owner, number)
    assert ids.recipients_partition(of_connections) == of_connections
    assert ids.audience_of(of_connections) == owner
    assert not ids.is_of_channel(of_connections)


@pytest.mark.parametrize("name", [name for name in NO_PATTERNS if isinstance(name, str) and "#" not in name])
def test_an_illegal_channel_makes_no_partition(name: str) -> None:
    """A key in a message is checked as a frame's name is."""
    with pytest.raises(InvalidFieldError, match=r"^partitions: must be .*, or \{tenantId\}#\{pattern\}#\{number"):
        ids.recipients_partition(f"acme#{name}#00000", "partitions")


def test_new_broadcast_ids_are_legal_and_sort_by_time() -> None:
    """An id made later sorts behind, and two of the same moment differ."""
    first = ids.new_broadcast_id()
    time.sleep(0.002)
    second, third = ids.new_broadcast_id(), ids.new_broadcast_id()
    assert ids.broadcast_id(first) == first
    assert first < second
    assert second != third


@pytest.mark.parametrize("name", ["hub", "eu-west-2", "ab", "x" * 16])
def test_a_cells_name_is_short_and_lowercase(name: str) -> None:
    """It is a part of names of roles and keys of rows."""
    assert ids.cell_name(name) == name


@pytest.mark.parametrize("name", ["", "a", "x" * 17, "Blue", "2nd", "-a", "a b", "a#b", "a_b", None, 7, ["hub"]])
def test_an_illegal_cell_name_is_refused(name: object) -> None:
    """The error does not repeat it."""
    with pytest.raises(InvalidFieldError) as refused:
        ids.cell_name(name)
    assert str(refused.value) == CELL_FORM
