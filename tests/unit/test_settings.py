"""Settings from the environment."""

from dataclasses import MISSING, dataclass, fields
from importlib import import_module
from typing import Annotated

import pytest

from functions.post_message.settings import Settings as PostMessageSettings
from functions.publish.settings import Settings as PublishSettings
from functions.query.settings import Settings as QuerySettings
from functions.settle.settings import Settings as SettleSettings
from functions.swarm.settings import Settings as SwarmSettings
from loudhailer.errors import ConfigurationError
from loudhailer.settings import Arn, Flag, TableName, Url, Urls, decimal, from_env, integer, matching
from tests.unit.repository.checkout import ROOT

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
        ("TOPIC", "loudhailer-dev-broadcast"),
        ("QUEUE", "ftp://queue"),
        ("QUEUE", "https:// /queue"),
        ("SHARDS", QUEUE),
        ("SHARDS", "[]"),
        ("SHARDS", "[1]"),
        ("SHARDS", '["nowhere"]'),
        ("SHARDS", "{}"),
        ("SIZE", "0"),
        ("SIZE", "501"),
        ("SIZE", "1.0"),
        ("SIZE", " 1"),
        ("SIZE", "1_0"),
        ("SIZE", "٣"),
        ("SIZE", "9" * 5000),
        ("RATE", "0"),
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


def test_every_problem_is_told_in_one_message() -> None:
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
    ("settings", "variables"),
    [
        (PublishSettings, "TENANTS_TABLE BROADCASTS_TABLE BROADCAST_TOPIC_ARN MESSAGE_LIFETIME_SECONDS"),
        (SwarmSettings, "PARTITIONS_TABLE BROADCASTS_TABLE PARTITION_QUEUE_URL DEAD_LETTER_QUEUE_URL"),
        (
            QuerySettings,
            (
                "CONNECTIONS_TABLE SESSIONS_TABLE BROADCASTS_TABLE SHARD_QUEUE_URLS CALLBACK_ENDPOINT CHUNK_SIZE "
                "DEAD_LETTER_QUEUE_URL"
            ),
        ),
        (PostMessageSettings, "SHARD_QUEUE_URLS OUTCOME_QUEUE_URL DEAD_LETTER_QUEUE_URL LANE_POSTS_PER_SECOND"),
        (SettleSettings, "BROADCASTS_TABLE CONNECTIONS_TABLE UNDELIVERED_QUEUE_ARN DEAD_LETTER_QUEUE_URL"),
    ],
    ids=["publish", "swarm", "query", "post_message", "settle"],
)
def test_a_function_without_an_environment_lists_all_of_its_variables(settings: type, variables: str) -> None:
    """Each function of the pipeline asks for exactly the variables that Terraform sets."""
    with pytest.raises(ConfigurationError) as refused:
        from_env(settings, {})
    missing = str(refused.value).removeprefix("bad environment: ").split("; ")
    assert missing == [f"{name} is missing" for name in variables.split()]


@pytest.mark.parametrize("function", sorted(path.parent.name for path in ROOT.glob("functions/*/settings.py")))
def test_any_function_without_its_environment_lists_every_required_variable(function: str) -> None:
    """One message names all of them; `tests/terraform/test_functions.py` checks that Terraform sets the same ones."""
    settings = import_module(f"functions.{function}.settings").Settings
    with pytest.raises(ConfigurationError) as refused:
        from_env(settings, {})
    missing = str(refused.value).removeprefix("bad environment: ").split("; ")
    assert missing == [f"{field.name.upper()} is missing" for field in fields(settings) if field.default is MISSING]
