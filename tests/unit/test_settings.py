"""Settings from the environment."""

from dataclasses import dataclass
from typing import Annotated

import pytest

from loudhailer.errors import ConfigurationError
from loudhailer.settings import Arn, Flag, TableName, Url, Urls, decimal, from_env, integer, matching

QUEUE = "https://sqs.us-east-1.amazonaws.com/111111111111/loudhailer-dev-outcome"


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One field of each kind."""

    table: TableName
    topic: Arn
    queue: Url
    shards: Urls
    size: Annotated[int, integer(1, 500)]
    rate: Annotated[float, decimal(0.1, 10_000)]
    listed: Flag
    role: Arn | None = None
    colour: Annotated[str, matching("red|blue", "red or blue")] = "red"


LEGAL = {
    "TABLE": "loudhailer-dev-broadcasts",
    "TOPIC": "arn:aws:sns:us-east-1:111111111111:loudhailer-dev-broadcast",
    "QUEUE": QUEUE,
    "SHARDS": f'["{QUEUE}", "http://127.0.0.1:4566/1/q"]',
    "SIZE": "500",
    "RATE": "12.5",
    "LISTED": "true",
}


def test_a_legal_environment_becomes_settings() -> None:
    """Each variable has its type; what is optional has its default."""
    assert from_env(Example, {**LEGAL, "UNRELATED": "x"}) == Example(
        table=LEGAL["TABLE"],
        topic=LEGAL["TOPIC"],
        queue=QUEUE,
        shards=(QUEUE, "http://127.0.0.1:4566/1/q"),
        size=500,
        rate=12.5,
        listed=True,
    )


def test_optional_variables_are_read_where_they_are_set() -> None:
    """A role and a colour are taken as they are given; an empty text counts as not set."""
    settings = from_env(Example, {**LEGAL, "ROLE": "arn:aws:iam::222222222222:role/cell", "COLOUR": "blue"})
    assert (settings.role, settings.colour) == ("arn:aws:iam::222222222222:role/cell", "blue")
    assert from_env(Example, {**LEGAL, "COLOUR": ""}).colour == "red"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("TABLE", "a table"),
        ("TABLE", "ab"),
        ("TABLE", "a" * 256),
        ("TOPIC", "loudhailer-dev-broadcast"),
        ("QUEUE", "ftp://queue"),
        ("QUEUE", "https://queue/a b"),
        ("TOPIC", "arn:aws:sns:a b"),
        ("QUEUE", "https:// /queue"),
        ("SHARDS", QUEUE),
        ("SHARDS", "[]"),
        ("SHARDS", "[1]"),
        ("SHARDS", '["nowhere"]'),
        ("SHARDS", "{}"),
        ("SIZE", "0"),
        ("SIZE", "-1"),
        ("SIZE", "501"),
        ("SIZE", "1.0"),
        ("SIZE", " 1"),
        ("SIZE", "1_0"),
        ("SIZE", "٣"),
        ("SIZE", "9" * 5000),
        ("RATE", "0"),
        ("RATE", "0.09"),
        ("RATE", "10000.1"),
        ("RATE", "1.1.1"),
        ("RATE", "1."),
        ("RATE", ".5"),
        ("RATE", f"1.{'1' * 13}"),
        ("RATE", "0" * 13),
        ("RATE", "nan"),
        ("RATE", "inf"),
        ("RATE", "1e3"),
        ("RATE", "-1"),
        ("LISTED", "True"),
        ("LISTED", "yes"),
        ("ROLE", "role/cell"),
        ("COLOUR", "green"),
    ],
)
def test_a_bad_variable_is_named(name: str, text: str) -> None:
    """The one variable that is bad is named, with what would be legal."""
    with pytest.raises(ConfigurationError, match=rf"^bad environment: {name} must be [^;]+$"):
        from_env(Example, {**LEGAL, name: text})


def test_every_problem_is_reported_in_one_message() -> None:
    """Missing and bad variables are listed together, and nothing that is right is."""
    environment = {**LEGAL, "SIZE": "many", "RATE": "", "LISTED": "maybe"}
    del environment["TABLE"]
    with pytest.raises(ConfigurationError) as refused:
        from_env(Example, environment)
    assert str(refused.value) == (
        "bad environment: TABLE is missing; SIZE must be a whole number from 1 to 500; RATE is missing; "
        "LISTED must be true or false"
    )


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("TABLE", "a.b", "a.b"),
        ("TABLE", "a" * 255, "a" * 255),
        ("TOPIC", "arn:aws-us-gov:sns:x", "arn:aws-us-gov:sns:x"),
        ("QUEUE", "wss://host", "wss://host"),
        ("QUEUE", "ws://host/", "ws://host/"),
        ("SIZE", "1", 1),
        ("SIZE", "000000000000000500", 500),
        ("RATE", "0.1", 0.1),
        ("RATE", "10000", 10_000.0),
        ("RATE", "000000000001.000000000001", 1.000000000001),
        ("LISTED", "false", False),
    ],
)
def test_a_variable_is_read_up_to_its_bounds(name: str, text: str, value: object) -> None:
    """Both bounds are legal."""
    read = getattr(from_env(Example, {**LEGAL, name: text}), name.lower())
    assert (read, type(read)) == (value, type(value))


def test_bounds_below_zero_are_read() -> None:
    """A whole number may have a sign; a decimal one may not."""
    assert integer(-5, 5)("-5") == -5
    with pytest.raises(ValueError, match="must be a whole number from -5 to 5"):
        integer(-5, 5)("-6")
    with pytest.raises(ValueError, match=r"must be a number from 0\.1 to 10000"):
        decimal(0.1, 10_000)("-1")


def test_the_parsers_state_the_legal_values() -> None:
    """In the words of an operator."""
    for name, text, form in [
        ("TABLE", "ab", "the name of a DynamoDB table"),
        ("TOPIC", "topic", "an ARN"),
        ("QUEUE", "queue", "a URL"),
        ("SHARDS", "{}", "a JSON list of URLs"),
        ("RATE", "0", "a number from 0.1 to 10000"),
        ("LISTED", "yes", "true or false"),
        ("COLOUR", "green", "red or blue"),
    ]:
        with pytest.raises(ConfigurationError) as refused:
            from_env(Example, {**LEGAL, name: text})
        assert str(refused.value) == f"bad environment: {name} must be {form}"
