"""JSON, in and out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer import codec
from loudhailer.errors import PermanentError

json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda values: st.lists(values, max_size=4) | st.dictionaries(st.text(), values, max_size=4),
    max_leaves=20,
)


@given(json_values)
def test_what_is_encoded_is_decoded_again(value: object) -> None:
    """Every JSON value survives, as bytes and as text."""
    assert codec.decode(codec.encode(value)) == value
    assert codec.decode(codec.encode_text(value)) == value


@given(st.dictionaries(st.text(), json_values, max_size=5), st.randoms())
def test_the_canonical_form_does_not_depend_on_the_order_of_keys(value: dict[str, object], random: object) -> None:
    """Equal objects give equal bytes."""
    items = list(value.items())
    random.shuffle(items)  # type: ignore[attr-defined]  # hypothesis' strategy gives a random.Random
    assert codec.canonical(dict(items)) == codec.canonical(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1e400",
        "{} {}",
        '{"a":1}x',
        "{'a':1}",
        '{"a":1,}',
        "[1,]",
        "01",
        "nul",
        '"\\ud800"',
        '"\\udc00\\ud800"',
        '"\ud800"',
        '"\n"',
        '"open',
        "[" * 100_000,
        "[" * 2000 + "]" * 2000,
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
    ],
)
def test_what_is_not_json_is_a_permanent_error(text: str | bytes) -> None:
    """NaN, infinity, lone surrogates, trailing text, bad UTF-8 and endless nesting are refused, whatever the parser."""
    with pytest.raises(codec.NotJsonError) as refused:
        codec.decode(text)
    assert isinstance(refused.value, PermanentError)


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, 2**64, {1: 2}, b"bytes", {1, 2}])
def test_what_json_cannot_carry_is_refused(value: object) -> None:
    """Lone surrogates, numbers beyond 64 bits and foreign types are a NotJsonError, not an error of the encoder."""
    with pytest.raises(codec.NotJsonError):
        codec.encode(value)


def test_a_value_nested_too_deeply_is_refused() -> None:
    """The encoder has a bound, and passing it is a NotJsonError."""
    value: object = 0
    for _ in range(300):
        value = [value]
    with pytest.raises(codec.NotJsonError):
        codec.encode(value)
    with pytest.raises(codec.NotJsonError):
        codec.canonical(value)


@pytest.mark.parametrize("text", ["null", "[]", "1", '"{}"', "true", ""])
def test_only_an_object_is_an_object(text: str) -> None:
    """Other JSON values are refused where an object is wanted."""
    assert codec.decode_object("{}") == {}
    with pytest.raises(codec.NotJsonError):
        codec.decode_object(text)


@given(json_values)
def test_a_json_text_is_put_in_as_it_stands(value: object) -> None:
    """With its spaces and its digits, however many."""
    text = f"[ {codec.encode_text(value)}, 123456789012345678901 ]"
    assert codec.encode({"message": codec.verbatim(text)}) == f'{{"message":{text}}}'.encode()
