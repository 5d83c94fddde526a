"""JSON, in and out."""

import json
from collections.abc import Callable

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loudhailer import codec
from loudhailer.errors import PermanentError
from tests.support.bad_json import TOO_DEEP, UNSUPPORTED

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
def test_encoded_values_are_decoded_unchanged(value: object) -> None:
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
        "[1e400",
        '["\\ud800"',
        "{} {}",
        '{"a":1}x',
        "{'a':1}",
        '{"a":1,}',
        "[1,]",
        "01",
        "nul",
        '"\ud800"',
        '"\n"',
        '"open',
        b"\xff\xfe",
        b'"\xed\xa0\x80"',
        b"\xef\xbb\xbf{}",
    ],
)
def test_invalid_json_is_a_permanent_error(text: str | bytes) -> None:
    """NaN, infinity, trailing text and bad UTF-8 are refused, whatever the parser."""
    with pytest.raises(codec.NotJsonError, match=r"^is not JSON$") as refused:
        codec.decode(text)
    assert isinstance(refused.value, PermanentError)
    assert refused.value.code == "NOT_JSON"


@pytest.mark.parametrize(("text", "reason"), [*UNSUPPORTED, ("[" * 100_000, TOO_DEEP)])
@pytest.mark.parametrize("kind", [str, str.encode])
def test_unsupported_json_has_a_reason(text: str, reason: str, kind: Callable[[str], str | bytes]) -> None:
    """Numbers that are not finite, lone surrogates and endless nesting are JSON, and refused nevertheless."""
    with pytest.raises(codec.UnsupportedJsonError) as refused:
        codec.decode(kind(text))
    assert isinstance(refused.value, codec.NotJsonError)
    assert (str(refused.value), refused.value.code) == (reason, "UNSUPPORTED_JSON")
    with pytest.raises(codec.UnsupportedJsonError) as refused:
        codec.decode_object(kind(f'{{"a":{text}}}' if text[-1:] != "[" else text))
    assert str(refused.value) == reason


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, 2**64, {1: 2}, b"bytes", {1, 2}])
def test_values_outside_json_are_refused(value: object) -> None:
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
def test_only_a_json_object_is_decoded_as_an_object(text: str) -> None:
    """Other JSON values are refused where an object is wanted."""
    assert codec.decode_object("{}") == {}
    with pytest.raises(codec.NotJsonError, match=r"^is not a JSON object$"):
        codec.decode_object(text)


@given(json_values)
def test_a_json_text_is_inserted_unchanged(value: object) -> None:
    """With its spaces and its digits, however many."""
    text = f"[ {codec.encode_text(value)}, 123456789012345678901 ]"
    verbatim = codec.verbatim(codec.JsonText(text))
    assert codec.encode({"message": verbatim}) == f'{{"message":{text}}}'.encode()


SPACES = st.text(" \t\r\n", max_size=3)
ESCAPES = st.sampled_from(
    [
        "0",
        "1.10",
        "-0.0",
        "1E2",
        "18446744073709551616",
        "9" * 300,
        "1e-400",
        r'"\u00e9\/\""',
        '"}"',
        f"{'[' * 1_023}{']' * 1_023}",
    ]
)
JSON_TEXTS = st.one_of(
    ESCAPES, json_values.map(codec.encode_text), json_values.map(lambda value: json.dumps(value, indent=1))
)


@given(st.lists(st.tuples(st.text(max_size=4), JSON_TEXTS, SPACES, SPACES), max_size=5), SPACES)
def test_a_member_is_read_as_it_was_written(members: list[tuple[str, str, str, str]], space: str) -> None:
    """Whatever is around it; of several of one name the last one counts, as for every parser."""
    parts = [f"{before}{json.dumps(name)}{after}:{before}{text}{after}" for name, text, before, after in members]
    document = f"{space}{{{space}{','.join(parts)}{space}}}{space}"
    last = {name: text for name, text, _, _ in members}
    everything = codec.decode_object(document, verbatim=last.keys())
    assert everything == last
    assert codec.decode_object(document.encode(), verbatim=last.keys()) == last
    assert codec.decode_object(document) == {name: codec.decode(text) for name, text in last.items()}
    assert codec.decode_object(document, verbatim={"none of these"}) == codec.decode_object(document)


@pytest.mark.parametrize("count", [1_000, 20_000])
@pytest.mark.parametrize("start", ['{ "a":', '\n{\r\n\t"a":', '{"a":'])
def test_a_document_of_many_short_values_is_read_with_any_beginning(start: str, count: int) -> None:
    """A space behind the first bracket has orjson set aside too little memory."""
    document = f"{start}[{','.join('7' * count)}]}}"
    assert codec.decode(document) == codec.decode(document.encode()) == {"a": [7] * count}


def test_a_document_that_orjson_has_no_memory_for_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """And tried no more than twice."""
    tried: list[str] = []

    def loads(text: str) -> None:
        tried.append(text)
        raise orjson.JSONDecodeError("failed to allocate memory", text, 1)

    monkeypatch.setattr(orjson, "loads", loads)
    with pytest.raises(codec.UnsupportedJsonError, match="takes too much memory"):
        codec.decode(" { 1}")
    assert tried == [" { 1}", "{1}"]


def test_members_that_are_not_named_are_decoded() -> None:
    """And one that is not there is not made up."""
    assert codec.decode_object('{"a":1.0,"b":1.0}', verbatim={"b", "c"}) == {"a": 1.0, "b": "1.0"}


@given(json_values)
def test_a_value_is_put_into_json(value: object) -> None:
    """The text is what `decode` reads the value from."""
    assert codec.decode(codec.json_text(value)) == value


def test_an_integer_of_any_size_is_put_into_json() -> None:
    """Python has it, and JSON too."""
    assert codec.json_text({"a": [2**64, -(2**70)]}) == f'{{"a":[{2**64},{-(2**70)}]}}'


def test_a_text_that_is_not_json_is_not_inserted() -> None:
    """Each text is refused with its reason."""
    for value in (float("nan"), float("inf"), [float("-inf")]):
        with pytest.raises(codec.UnsupportedJsonError, match=r"^has a number beyond"):
            codec.json_text(value)
    with pytest.raises(codec.UnsupportedJsonError, match=r"^has an escape that is half"):
        codec.json_text("\ud800")
    for depth in (2_000, 100_000):
        deep: list[object] = []
        for _ in range(depth):
            deep = [deep]
        with pytest.raises(codec.UnsupportedJsonError, match=r"^is nested more than 1,024 levels deep$"):
            codec.json_text(deep)
    for foreign in ({1, 2}, b"bytes"):
        with pytest.raises(codec.NotJsonError, match=r"^cannot be put into JSON"):
            codec.json_text(foreign)


@pytest.mark.parametrize(
    ("text", "elements"),
    [
        ("[]", []),
        ("[ \n]", []),
        ("[1]", ["1"]),
        (
            '[ 18446744073709551616 , 1.10,"a,]" ,[1, [2]],{"a" :[]}, null ]',
            ["18446744073709551616", "1.10", '"a,]"', "[1, [2]]", '{"a" :[]}', "null"],
        ),
    ],
)
def test_elements_of_a_list_are_returned_as_they_were_written(text: str, elements: list[str]) -> None:
    """Brackets and commas within an element do not end it."""
    assert codec.elements(codec.JsonText(text)) == elements


@pytest.mark.parametrize("text", ["{}", "1", '"[1]"', "null"])
def test_only_a_list_has_elements(text: str) -> None:
    """Another value is refused."""
    with pytest.raises(codec.NotJsonError, match="is not a list"):
        codec.elements(codec.JsonText(text))
