"""Packing of messages into batches."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer.errors import PermanentError
from loudhailer.queues.batching import batches, is_legal, refuse_illegal
from tests.support.limits import MAX_BATCH_BYTES, MAX_BATCH_ENTRIES

LETTERS = {"one byte": "x", "two bytes": "é", "three bytes": "€", "four bytes": "😀"}


def bytes_of(batch: list[str]) -> int:
    """The bytes of a batch's bodies together."""
    return sum(len(body.encode()) for body in batch)


@given(
    st.lists(
        st.builds(str.__mul__, st.sampled_from(list(LETTERS.values())), st.integers(1, MAX_BATCH_BYTES // 4)),
        max_size=40,
    )
)
def test_batches_keep_to_the_limits_and_the_order_and_are_as_few_as_possible(bodies: list[str]) -> None:
    """No batch is over a limit, nothing is lost or moved, and no message would have fitted into the batch before."""
    made = list(batches(bodies))
    assert [body for batch in made for body in batch] == bodies
    assert all(1 <= len(batch) <= MAX_BATCH_ENTRIES and bytes_of(batch) <= MAX_BATCH_BYTES for batch in made)
    for before, after in pairwise(made):
        assert len(before) == MAX_BATCH_ENTRIES or bytes_of(before) + len(after[0].encode()) > MAX_BATCH_BYTES


def test_a_call_without_bodies_makes_no_batch() -> None:
    """There is no empty call."""
    assert list(batches([])) == []


@pytest.mark.parametrize("letter", LETTERS.values(), ids=LETTERS)
def test_a_body_of_exactly_256_kib_is_sent_alone(letter: str) -> None:
    """Bytes count, not characters; one more is too many."""
    body = letter * (MAX_BATCH_BYTES // len(letter.encode()))
    body += "x" * (MAX_BATCH_BYTES - len(body.encode()))
    assert list(batches(["a", body, "b"])) == [["a"], [body], ["b"]]
    with pytest.raises(PermanentError, match="bytes"):
        list(batches([body + "x"]))


@pytest.mark.parametrize(
    "letter",
    ["\0", "\x01", "\x08", "\x0b", "\x0c", "\x1f", "\ufffe", "\uffff", chr(0xD800), chr(0xDFFF)],
    ids=lambda text: text.encode("utf-16-be", "surrogatepass").hex(),
)
def test_a_character_that_sqs_refuses_is_a_permanent_error(letter: str) -> None:
    """Wherever it is in the text."""
    for body in (letter, f"before {letter}", f"{letter} after", f"é{letter}😀"):
        assert not is_legal(body)
        with pytest.raises(PermanentError, match="character"):
            refuse_illegal(body)


@pytest.mark.parametrize(
    "letter",
    ["\t", "\n", "\r", " ", "~", "\x7f", "\x80", "\xa0", "\ud7ff", "\ue000", "\ufffd", "\U00010000", "\U0010ffff"],
    ids=lambda text: text.encode("utf-16-be", "surrogatepass").hex(),
)
def test_the_bounds_of_the_legal_characters_are_accepted(letter: str) -> None:
    """Tab, line ends, delete and the ends of each range."""
    assert is_legal(f"a{letter}b")
    refuse_illegal(letter)


def test_an_empty_body_is_refused() -> None:
    """SQS has no empty messages."""
    with pytest.raises(PermanentError):
        refuse_illegal("")


@given(st.text(st.characters(min_codepoint=0, max_codepoint=0x10FFFF)))
def test_the_legal_characters_match_the_api_reference(text: str) -> None:
    """#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF."""
    listed = "\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff"
    assert is_legal(text) == bool(re.fullmatch(f"[{listed}]*", text))
