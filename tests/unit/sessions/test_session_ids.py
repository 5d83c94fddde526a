"""A session's id is kept as a keyed hash."""

from dataclasses import replace

import pytest

from loudhailer import ids
from loudhailer.errors import InvalidFieldError
from loudhailer.ids import TenantId
from loudhailer.tenants.model import Tenant

ACME = Tenant(TenantId("acme"), 1, 2, 3, 4, 5, 6, session_key="key of acme")
SECRET = ids.session_secret("7e57a7e5-0000-4000-8000-000000000001")


def test_the_stored_id_is_a_hash_with_the_tenants_key() -> None:
    """RFC 2104 with SHA-256, as base64url without padding: worked out once with OpenSSL."""
    assert ACME.session_id_of(SECRET) == "m9cbpmj6898wPPxvOrWoKUyNX9CXgatoNWcaZ2lSO7k"


def test_the_stored_id_is_a_legal_id() -> None:
    """It goes where an id goes: into keys, groups of queues, and audiences of broadcasts."""
    kept = ACME.session_id_of(SECRET)
    assert ids.session_id(kept) == kept
    assert len(kept) == 43


def test_the_stored_id_cannot_be_found_without_the_key() -> None:
    """Another key, or another id, gives another one; the hash itself is the id of no session that is kept under it."""
    kept = ACME.session_id_of(SECRET)
    assert replace(ACME, session_key="another key").session_id_of(SECRET) != kept
    assert ACME.session_id_of(ids.session_secret("another")) != kept
    assert ACME.session_id_of(ids.session_secret(kept)) != kept


def test_ids_of_a_tenant_without_a_key_are_stored_unchanged() -> None:
    """So that a release changes nothing before all functions have it."""
    assert str(replace(ACME, session_key=None).session_id_of(SECRET)) == str(SECRET)


@pytest.mark.parametrize("value", [None, "", "a b", "a#b", "x" * 65])
def test_a_malformed_session_id_is_refused(value: object) -> None:
    """The field is named, and the value is not."""
    with pytest.raises(InvalidFieldError, match=r"^sessionId: must be 1 to 64 letters"):
        ids.session_secret(value)
