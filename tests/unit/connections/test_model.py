"""Keys of connections."""

from hypothesis import given
from hypothesis import strategies as st

from loudhailer.connections.model import Connection, ConnectionKey, key_in_session
from loudhailer.ids import ConnectionId, Partition, SessionId, TenantId, nth_partition


@given(number=st.integers(0, 200_000), connection=st.from_regex(r"[A-Za-z0-9_+/=-]{1,128}", fullmatch=True))
def test_a_key_survives_its_form_in_a_session(number: int, connection: str) -> None:
    """A session's element and its tenant make the key again."""
    acme = TenantId("acme")
    key = ConnectionKey(nth_partition(acme, number), ConnectionId(connection))
    assert key_in_session(acme, key.in_session()) == key


def test_a_key_in_a_session_has_five_digits_at_least() -> None:
    """As the sessions' table has it."""
    assert ConnectionKey(Partition("acme#00012"), ConnectionId("L0SM9cOFvHcCIhw=")).in_session() == (
        "00012#L0SM9cOFvHcCIhw="
    )


def test_a_connection_belongs_to_its_partitions_tenant() -> None:
    """The tenant is not written down twice."""
    key = ConnectionKey(Partition("acme#00012"), ConnectionId("a"))
    assert Connection(key, SessionId("s1"), 0, 1).tenant_id == "acme"
