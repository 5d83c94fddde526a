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
