"""Description of an API by apigatewayv2, and the choice of its routes."""

import json

import pytest

from tools.emulator.gateway.api import (
    Api,
    DeployedStage,
    FunctionRef,
    Integration,
    Route,
    Stage,
    Templates,
    Throttle,
    UnsupportedApiError,
    read_integration,
    read_route,
    read_route_selection,
    read_stage,
)

FUNCTION_ARN = "arn:aws:lambda:us-east-1:111111111111:function:loudhailer-local-connect"
INVOCATION_URI = f"arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{FUNCTION_ARN}:live/invocations"


def deployment(*route_keys: str, stage: Stage | None = None, now: float = 0.0) -> DeployedStage:
    """An API with these routes."""
    stage = stage or Stage("live")
    routes = {key: Route(key) for key in route_keys}
    api = Api("abcdef01", "111111111111", "us-east-1", ("action",), routes, {"live": stage})
    return DeployedStage(api, stage, lambda: now)


@pytest.mark.parametrize(
    ("uri", "qualifier"), [(INVOCATION_URI, "live"), (FUNCTION_ARN, None), (FUNCTION_ARN + ":7", "7")]
)
def test_a_function_is_found_in_its_uri(uri: str, qualifier: str | None) -> None:
    """As an invocation URI or a plain ARN, with or without alias or version."""
    assert FunctionRef.parse(uri) == FunctionRef("111111111111", "us-east-1", "loudhailer-local-connect", qualifier)


def test_a_uri_without_a_function_is_not_served() -> None:
    """The error shows the URI."""
    with pytest.raises(UnsupportedApiError, match="sqs"):
        FunctionRef.parse("arn:aws:apigateway:us-east-1:sqs:path/111111111111/queue")


@pytest.mark.parametrize(
    ("expression", "path"),
    [
        ("$request.body.action", ("action",)),
        ("${request.body.action}", ("action",)),
        ("$request.body.message.type", ("message", "type")),
    ],
)
def test_a_route_selection_expression_names_a_path(expression: str, path: tuple[str, ...]) -> None:
    """In both spellings AWS documents."""
    assert read_route_selection(expression) == path


def test_another_route_selection_is_not_served() -> None:
    """Headers and constants are not for WebSocket messages here."""
    with pytest.raises(UnsupportedApiError, match=r"\$request\.header\.x"):
        read_route_selection("$request.header.x")


@pytest.mark.parametrize(
    ("message", "route_key"),
    [
        ('{"action":"joinroom"}', "joinroom"),
        ('{"action":"unknown"}', "$default"),
        ('{"action":"$connect"}', "$default"),
        ('{"action":"$disconnect"}', "$default"),
        ('{"action":5}', "$default"),
        ('{"other":"joinroom"}', "$default"),
        ('["joinroom"]', "$default"),
        ('"joinroom"', "$default"),
        ("not JSON", "$default"),
        ("", "$default"),
        ("[" * 15_000, "$default"),
    ],
    ids=len,
)
def test_a_message_takes_the_route_it_names_or_the_default(message: str, route_key: str) -> None:
    """The routes of the handshake cannot be named."""
    found = deployment("$connect", "$disconnect", "$default", "joinroom").route_of(message)
    assert found == Route(route_key)


def test_an_unknown_message_has_no_route_without_a_default_route() -> None:
    """The gateway then answers Forbidden."""
    assert deployment("joinroom").route_of('{"action":"x"}') is None


def test_a_nested_selection_is_followed() -> None:
    """Through objects, and nowhere else."""
    api = Api("a", "1", "r", ("m", "type"), {"go": Route("go")}, {})
    nested = DeployedStage(api, Stage("live"), lambda: 0.0)
    assert nested.route_of('{"m":{"type":"go"}}') == Route("go")
    assert nested.route_of('{"m":"type"}') is None


def test_a_route_is_read_with_its_integration_and_authorizer() -> None:
    """The shape of GetRoutes, GetIntegrations and GetAuthorizers."""
    integrations = {
        "i": read_integration(
            {"IntegrationType": "AWS_PROXY", "IntegrationUri": INVOCATION_URI, "TimeoutInMillis": 29_000}
        )
    }
    authorizers = {"a": {"AuthorizerUri": INVOCATION_URI, "IdentitySource": ["route.request.querystring.tenantId"]}}
    item = {
        "RouteKey": "$connect",
        "AuthorizationType": "CUSTOM",
        "AuthorizerId": "a",
        "Target": "integrations/i",
    }
    route = read_route(item, integrations, authorizers, answers=False)
    assert route.integration == Integration("AWS_PROXY", INVOCATION_URI, 29.0, request=Templates("$default", {}))
    assert route.authorizer is not None
    assert route.authorizer.identity_sources == ("route.request.querystring.tenantId",)
    assert read_route({"RouteKey": "$default"}, {}, {}, answers=True) == Route("$default", answers=True)


def test_a_routes_own_throttle_replaces_the_stages() -> None:
    """And a throttle that is not set is none."""
    stage = read_stage(
        {
            "StageName": "live",
            "DefaultRouteSettings": {"ThrottlingRateLimit": 2.0, "ThrottlingBurstLimit": 2},
            "RouteSettings": {"fast": {"ThrottlingRateLimit": 9.0, "ThrottlingBurstLimit": 4}, "logged": {}},
        }
    )
    throttled = deployment("fast", "slow", stage=stage)
    assert sum(throttled.admits("fast") for _ in range(9)) == 4
    assert sum(throttled.admits("slow") for _ in range(9)) == 2
    assert stage.throttles == {"fast": Throttle(9.0, 4)}
    assert all(deployment("free").admits("free") for _ in range(99))


def test_routes_do_not_share_a_bucket() -> None:
    """The stage's default is each route's own target."""
    stage = Stage("live", default_throttle=Throttle(1.0, 1))
    throttled = deployment("a", "b", stage=stage)
    assert [throttled.admits("a"), throttled.admits("a"), throttled.admits("b")] == [True, False, True]


def test_route_keys_are_json_values_not_patterns() -> None:
    """Quotes and spaces are part of a key."""
    key = 'a "b" c'
    assert deployment(key).route_of(json.dumps({"action": key})) == Route(key)
