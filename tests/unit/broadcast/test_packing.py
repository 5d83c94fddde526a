"""A chunk's recipients in few bytes."""

from base64 import b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.broadcast.packing import pack, unpack
from loudhailer.ids import ConnectionId, Partition

IDS = st.one_of(
    st.binary(min_size=11, max_size=11).map(lambda raw: b64encode(raw).decode()),
    st.text("abcXYZ019+/=-_", min_size=1, max_size=20),
)


def connections(*ids: str) -> list[ConnectionId]:
    """Connections by their ids."""
    return [ConnectionId(one) for one in ids]


@given(st.dictionaries(st.text("ab#0", min_size=1), st.lists(IDS, min_size=1), max_size=4))
def test_recipients_survive_packing_in_order(recipients: dict[str, list[str]]) -> None:
    """In their order, which is that of the chunk's bitmaps, whatever the ids are."""
    given_ = {Partition(partition): connections(*found) for partition, found in recipients.items()}
    found = unpack(pack(given_))
    assert list(found.items()) == list(given_.items())


def test_a_chunk_of_500_takes_less_than_six_kilobytes() -> None:
    """As many units are written; as JSON they would be ten."""
    ids = [b64encode(number.to_bytes(11)).decode() for number in range(500)]
    assert len(pack({Partition("tenant-a#00000"): connections(*ids)})) < 5_600


@pytest.mark.parametrize("ids", [("QQ==", "QR=="), ("QUFB", "QQ=="), ("not base64!",), ("Q", "QUFB"), ("",)])
def test_ids_that_cannot_be_packed_are_kept_unchanged(ids: tuple[str, ...]) -> None:
    """Nothing says how API Gateway makes its ids tomorrow."""
    recipients = {Partition("a#00000"): connections(*ids)}
    assert unpack(pack(recipients)) == recipients
