"""The variables of every function: which it needs, and where their bounds are."""

from dataclasses import MISSING, fields
from importlib import import_module
from typing import Any

import pytest

from loudhailer import codec
from loudhailer.errors import ConfigurationError
from loudhailer.settings import from_env
from tests.support.checkout import folder_of, functions, module_of
from tests.support.lambda_environment import VARIABLES

FUNCTIONS = [name for name in functions() if (folder_of(name) / "settings.py").is_file()]


def read(function: str, **changed: str) -> Any:
    """A function's settings in the environment of all functions together, with some variables changed."""
    return from_env(import_module(module_of(function, "settings")).Settings, {**VARIABLES, **changed})


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_function_reads_its_variables_and_lists_the_missing_ones(function: str) -> None:
    """One message has every variable that it needs, and no other; each becomes the field of its name."""
    settings = import_module(module_of(function, "settings")).Settings
    needed = [field.name.upper() for field in fields(settings) if field.default is MISSING]
    with pytest.raises(ConfigurationError) as refused:
        from_env(settings, {})
    assert str(refused.value) == f"bad environment: {'; '.join(f'{name} is missing' for name in needed)}"
    found = read(function)
    for name in needed:
        value = getattr(found, name.lower())
        assert VARIABLES[name] in {str(value), f"{value:.0f}" if isinstance(value, float) else str(value).lower()} or (
            isinstance(value, tuple | dict) and all(one in VARIABLES[name] for one in value)
        )


@pytest.mark.parametrize(
    ("function", "name", "legal", "illegal"),
    [
        ("authorizer", "CONNECTIONS_PER_PARTITION", ["1", "100000"], ["0", "100001"]),
        ("authorizer", "MAX_PARTITIONS", ["1", "99999"], ["0", "100000"]),
        ("post_message", "LANE_KIND", ["low", "x" * 32], ["Low", "x" * 33, "a_b"]),
        ("post_message", "LANE_POSTS_PER_SECOND", ["0.1", "1000000"], ["0.09", "1000000.1"]),
        ("post_message", "LANE_BUCKET", ["0", "1000000"], ["-1", "1000001", "1.5"]),
        ("post_message", "EXTERNAL_ID", ["ab", "+=,.@:/-", "x" * 1224], ["a", "a b", "x" * 1225]),
        ("publish", "EXPRESS_RECIPIENTS", ["0", "500"], ["-1", "501"]),
        ("publish", "MESSAGE_LIFETIME_SECONDS", ["10", "3600"], ["9", "3601"]),
        ("query", "CHUNK_SIZE", ["1", "500"], ["0", "501"]),
        ("query", "LANE_COUNT", ["1", "32000"], ["0", "32001"]),
        ("send_message", "MESSAGE_LIFETIME_SECONDS", ["10", "3600"], ["9", "3601"]),
        ("send_message", "INBOX_LIFETIME_SECONDS", ["1", "31536000"], ["0", "31536001"]),
        ("send_message", "MESSAGES_PER_INBOX", ["1", "1000000"], ["0", "1000001"]),
        ("connect", "SESSION_SHARE", ["0.01", "1"], ["0.009", "1.01"]),
        ("session_api", "TENANT_CLAIM", ["t", "custom:tenant_id", "https://a.b/c-d", "x" * 128], ["a b", "x" * 129]),
        ("session_api", "LIST_TENANTS", ["true", "false"], ["True", "1"]),
        ("session_api", "SHORTEST_SESSION_ID", ["1", "64"], ["0", "65"]),
        ("session_api", "SESSIONS_TABLE", ["a_.", "x" * 255], ["ab", "x" * 256, "a b c"]),
        ("session_api", "CONNECTS_PER_SECOND", ["0", "500", "100000"], ["-1", "100001"]),
        ("session_api", "CONNECTS_RESERVE", ["0.01", "0.5"], ["0", "0.51"]),
        ("session_api", "HUB_WEIGHT", ["0", "0.5", "1000000"], ["-1", "1000001"]),
        ("session_api", "LEASE_SECONDS", ["1", "120"], ["0", "121"]),
        ("session_api", "REPORT_GRACE_SECONDS", ["0", "3600"], ["-1", "3601"]),
        (
            "console",
            "CELL_REGIONS",
            [],
            ["[]", '{"north":1}', '{"north":"europe"}', '{"North":"eu-west-1"}', "no JSON"],
        ),
        ("session_api", "CELLS", ["{}"], ["[]", '{"north": {}}']),
        ("swarm", "CELL_NAME", ["ab", "eu-west-2"], ["North", "x" * 17]),
        ("console", "SESSION_AUTH", ["none", "iam", "jwt"], ["None", "iamjwt"]),
        ("console", "BROADCAST_AUTH", ["none", "iam", "jwt"], ["None", "iamjwt"]),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_variable_is_legal_up_to_its_bounds(function: str, name: str, legal: list[str], illegal: list[str]) -> None:
    """At the bounds it is read; just beyond them the function refuses to start, and names the variable."""
    for text in legal:
        assert str(getattr(read(function, **{name: text}), name.lower())).removesuffix(".0") in {text, text.title()}
    for text in illegal:
        with pytest.raises(ConfigurationError, match=rf"^bad environment: {name} must be [^;]+$"):
            read(function, **{name: text})


@pytest.mark.parametrize(("text", "tenants"), [("[]", ()), ('["acme"]', ("acme",)), ('["a","b_-C"]', ("a", "b_-C"))])
def test_a_list_of_tenants_is_read(text: str, tenants: tuple[str, ...]) -> None:
    """There may be none."""
    assert read("session_api", SILO_TENANTS=text).silo_tenants == tenants


@pytest.mark.parametrize("text", ["{}", "[1]", "acme", '["a b"]', "null", '"a"', "[null]"])
def test_a_malformed_list_of_tenants_is_refused(text: str) -> None:
    """The function refuses to start, and names the variable."""
    with pytest.raises(ConfigurationError, match=r"SILO_TENANTS must be a JSON list of tenants' ids$"):
        read("session_api", SILO_TENANTS=text)


@pytest.mark.parametrize("shares", [{"normal": 1}, {"normal": 0.9, "low": 0.1}, {"a": 0.7, "b": 0.2, "c": 0.1}])
def test_the_shares_of_lanes_are_read(shares: dict[str, float]) -> None:
    """A binary fraction more or less does no harm."""
    assert read("post_message", LANE_SHARES=codec.encode_text(shares)).lane_shares == shares


@pytest.mark.parametrize(
    "text",
    ["[]", "{}", "acme", '{"normal": 0}', '{"normal": 1.1}', '{"a": -1, "b": 2}', '{"a": "1"}', '{"a": 0.5}', "null"],
)
def test_malformed_shares_are_refused(text: str) -> None:
    """The function refuses to start, and names the variable."""
    with pytest.raises(ConfigurationError, match=r"LANE_SHARES must be (a JSON object of )?shares"):
        read("post_message", LANE_SHARES=text)


def test_the_page_reads_the_regions_of_further_cells() -> None:
    """Without any, it has the hub's alone."""
    assert read("console", CELL_REGIONS='{"north":"eu-west-1"}').cell_regions == {"north": "eu-west-1"}
    assert read("console").cell_regions is None


@pytest.mark.parametrize(
    ("function", "tables"),
    [
        ("reconcile", ["TENANTS_TABLE", "SESSIONS_TABLE", "LIMITS_TABLE"]),
        ("accounting", ["SESSIONS_TABLE", "LIMITS_TABLE"]),
    ],
)
def test_tables_that_an_instance_for_members_lacks_are_set_together(function: str, tables: list[str]) -> None:
    """All for connections, none for members; a single one that is missing stops the function."""
    for table in tables:
        with pytest.raises(ConfigurationError, match=f"^bad environment: {table} is missing$"):
            read(function, **{table: ""})
    of_members = read(function, **dict.fromkeys(tables, ""))
    assert [getattr(of_members, table.lower()) for table in tables] == [""] * len(tables)
