"""WebSocket APIs as the gateway serves them, read from the public apigatewayv2 API.

AWS serves the snapshot that was last deployed to a stage; the local AWS keeps no snapshots, so what is defined is
served.
"""

import asyncio
import json
import logging
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import boto3
from botocore.config import Config

from tools.emulator.gateway.limits import Clock, TokenBucket

if TYPE_CHECKING:
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

CONNECT, DISCONNECT, DEFAULT = "$connect", "$disconnect", "$default"

_FUNCTION_ARN = re.compile(
    r"arn:[^:]+:lambda:(?P<region>[^:]+):(?P<account>\d{12}):function:(?P<name>[^:/]+)(?::(?P<qualifier>[^:/]+))?"
)
_SERVICE_PATH = re.compile(r"arn:[^:]+:apigateway:(?P<region>[^:]+):(?P<service>[^:]+):path/(?P<path>.+)")
_BODY_SELECTION = re.compile(r"\$\{?request\.body\.([A-Za-z0-9_.-]+)\}?")
_RELOAD_SECONDS = 1.0
_FEW_ATTEMPTS = Config(connect_timeout=5, retries={"total_max_attempts": 2})

LOG = logging.getLogger("gateway")


class UnsupportedApiError(ValueError):
    """An API is defined in a way that the gateway does not serve."""


@dataclass(frozen=True, slots=True)
class FunctionRef:
    """A Lambda function, with the version or alias that is invoked."""

    account: str
    region: str
    name: str
    qualifier: str | None

    @classmethod
    def parse(cls, uri: str) -> "FunctionRef":
        """Read a function ARN, alone or inside an invocation URI."""
        found = _FUNCTION_ARN.search(uri)
        if not found:
            raise UnsupportedApiError(f"no Lambda function in the URI {uri!r}")
        return cls(**found.groupdict())


@dataclass(frozen=True, slots=True)
class Throttle:
    """A route's token bucket."""

    rate: float
    burst: int


@dataclass(frozen=True, slots=True)
class ServiceRef:
    """A path of an AWS service, in which `{name}` stands for a path parameter."""

    region: str
    service: str
    path: str

    @classmethod
    def parse(cls, uri: str) -> "ServiceRef":
        """Read the URI of an integration with a service."""
        found = _SERVICE_PATH.fullmatch(uri)
        if not found:
            raise UnsupportedApiError(f"no path of a service in the URI {uri!r}")
        return cls(**found.groupdict())


@dataclass(frozen=True, slots=True)
class Templates:
    """Mapping templates by key, and the expression that selects one; what it selects falls back to `$default`."""

    selection: str
    by_key: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Integration:
    """Integration that answers a route; `kind` is apigatewayv2's IntegrationType.

    The fields after the timeout are for services: `responses` are the templates of the integration's responses by key.
    """

    kind: str
    uri: str
    timeout_seconds: float
    role: str | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    request: Templates = field(default_factory=lambda: Templates("", {}))
    responses: Mapping[str, Templates] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RequestAuthorizer:
    """A REQUEST authorizer."""

    function: FunctionRef
    identity_sources: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Route:
    """One route; `answers` when its integration's response goes back to the client."""

    key: str
    integration: Integration | None = None
    authorization: str = "NONE"
    authorizer: RequestAuthorizer | None = None
    answers: bool = False


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage: its variables and throttles."""

    name: str
    variables: Mapping[str, str] = field(default_factory=dict)
    default_throttle: Throttle | None = None
    throttles: Mapping[str, Throttle] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Api:
    """One WebSocket API with its routes by key and stages by name."""

    api_id: str
    account: str
    region: str
    route_selection: tuple[str, ...]
    routes: Mapping[str, Route]
    stages: Mapping[str, Stage]


class DeployedStage:
    """An API at a stage: what a URL leads to. Holds the buckets of the stage's route throttles."""

    def __init__(self, api: Api, stage: Stage, clock: Clock) -> None:
        self.api = api
        self.stage = stage
        self.key = (api.api_id, stage.name)
        self._buckets: dict[str, TokenBucket] = {}
        for route_key in api.routes:
            throttle = stage.throttles.get(route_key, stage.default_throttle)
            if throttle is not None:
                self._buckets[route_key] = TokenBucket(throttle.rate, throttle.burst, clock)

    def admits(self, route_key: str) -> bool:
        """Take a token of the route's throttle; a route without one always admits."""
        bucket = self._buckets.get(route_key)
        return bucket is None or bucket.take()

    def route_of(self, text: str) -> Route | None:
        """The route of a client's message.

        A message that is no JSON object, or whose selected value is no route, takes `$default`:
        https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-develop-routes.html
        """
        try:
            value: Any = json.loads(text)
        except (ValueError, RecursionError):
            value = None
        for name in self.api.route_selection:
            value = value.get(name) if isinstance(value, dict) else None
        key = value if isinstance(value, str) and value not in {CONNECT, DISCONNECT} else DEFAULT
        return self.api.routes.get(key) or self.api.routes.get(DEFAULT)


class ApiSource(Protocol):
    """Source of APIs."""

    def load(self) -> Iterable[Api]:
        """Read all APIs; may block."""


class AwsApiSource:
    """Reads the WebSocket APIs of several accounts; locally an access key is its account's id."""

    def __init__(self, endpoint: str, region: str, accounts: Iterable[str], secret: str) -> None:
        self._region = region
        self._clients = {
            account: boto3.client(
                "apigatewayv2",
                endpoint_url=endpoint,
                region_name=region,
                aws_access_key_id=account,
                aws_secret_access_key=secret,
                config=_FEW_ATTEMPTS,
            )
            for account in accounts
        }

    def load(self) -> list[Api]:
        """Read all APIs of all accounts; one that cannot be served is left out, with a warning."""
        apis = []
        for account, client in self._clients.items():
            for item in _pages(client.get_apis):
                if item["ProtocolType"] != "WEBSOCKET":
                    continue
                try:
                    apis.append(self._read(client, account, item))
                except UnsupportedApiError as error:
                    LOG.warning("API %s is not served: %s", item["ApiId"], error)
        return apis

    def _read(self, client: "ApiGatewayV2Client", account: str, item: Mapping[str, Any]) -> Api:
        api_id = item["ApiId"]
        integrations = {each["IntegrationId"]: each for each in _pages(client.get_integrations, ApiId=api_id)}
        authorizers = {each["AuthorizerId"]: each for each in _pages(client.get_authorizers, ApiId=api_id)}
        served = {
            integration_id: read_integration(each, _integration_responses(client, api_id, each))
            for integration_id, each in integrations.items()
        }
        routes = [
            read_route(each, served, authorizers, answers=_answers(client, api_id, each))
            for each in _pages(client.get_routes, ApiId=api_id)
        ]
        stages = [read_stage(each) for each in _pages(client.get_stages, ApiId=api_id)]
        return Api(
            api_id=api_id,
            account=account,
            region=self._region,
            route_selection=read_route_selection(item["RouteSelectionExpression"]),
            routes={route.key: route for route in routes},
            stages={stage.name: stage for stage in stages},
        )


def _answers(client: "ApiGatewayV2Client", api_id: str, route: Mapping[str, Any]) -> bool:
    """Tell whether a route has a route response.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-route-response.html
    """
    return bool(route.get("RouteResponseSelectionExpression")) and bool(
        _pages(client.get_route_responses, ApiId=api_id, RouteId=route["RouteId"])
    )


def _integration_responses(
    client: "ApiGatewayV2Client", api_id: str, integration: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """An integration's responses; a proxy integration has none."""
    if integration["IntegrationType"].endswith("_PROXY"):
        return []
    return _pages(client.get_integration_responses, ApiId=api_id, IntegrationId=integration["IntegrationId"])


def _pages(operation: Callable[..., Any], **arguments: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    while True:
        answer = operation(**arguments)
        items += answer["Items"]
        if not answer.get("NextToken"):
            return items
        arguments["NextToken"] = answer["NextToken"]


def read_route_selection(expression: str) -> tuple[str, ...]:
    """The path into the message's body that a `$request.body.<path>` expression names."""
    found = _BODY_SELECTION.fullmatch(expression)
    if not found:
        raise UnsupportedApiError(f"the route selection expression {expression!r} is not $request.body.<name>")
    return tuple(found[1].split("."))


def read_route(
    item: Mapping[str, Any],
    integrations: Mapping[str, Integration],
    authorizers: Mapping[str, Mapping[str, Any]],
    *,
    answers: bool,
) -> Route:
    """A route from apigatewayv2's answer."""
    authorizer = authorizers.get(item.get("AuthorizerId", ""))
    return Route(
        key=item["RouteKey"],
        integration=integrations.get(item.get("Target", "").removeprefix("integrations/")),
        authorization=item.get("AuthorizationType", "NONE"),
        authorizer=read_authorizer(authorizer) if authorizer else None,
        answers=answers,
    )


def read_authorizer(item: Mapping[str, Any]) -> RequestAuthorizer:
    """A REQUEST authorizer from apigatewayv2's answer."""
    return RequestAuthorizer(FunctionRef.parse(item["AuthorizerUri"]), tuple(item.get("IdentitySource", ())))


def read_integration(item: Mapping[str, Any], responses: Iterable[Mapping[str, Any]] = ()) -> Integration:
    """An integration from apigatewayv2's answer, and its responses."""
    return Integration(
        item["IntegrationType"],
        item.get("IntegrationUri", ""),
        item["TimeoutInMillis"] / 1_000,
        role=item.get("CredentialsArn"),
        parameters=item.get("RequestParameters", {}),
        request=_read_templates(item, "RequestTemplates"),
        responses={each["IntegrationResponseKey"]: _read_templates(each, "ResponseTemplates") for each in responses},
    )


def _read_templates(item: Mapping[str, Any], name: str) -> Templates:
    return Templates(item.get("TemplateSelectionExpression") or DEFAULT, item.get(name, {}))


def read_stage(item: Mapping[str, Any]) -> Stage:
    """A stage from apigatewayv2's answer; a throttle that is not set does not throttle."""
    throttles = {key: read_throttle(settings) for key, settings in item.get("RouteSettings", {}).items()}
    return Stage(
        name=item["StageName"],
        variables=item.get("StageVariables", {}),
        default_throttle=read_throttle(item.get("DefaultRouteSettings", {})),
        throttles={key: throttle for key, throttle in throttles.items() if throttle},
    )


def read_throttle(settings: Mapping[str, Any]) -> Throttle | None:
    """A throttle from route settings, or none when they name no rate."""
    rate = settings.get("ThrottlingRateLimit")
    return None if rate is None else Throttle(rate, settings.get("ThrottlingBurstLimit", 0))


class Directory:
    """The deployments by API id and stage. Read again when asked and when a request meets an unknown API, never hot."""

    def __init__(self, source: ApiSource, clock: Clock) -> None:
        self._source = source
        self._clock = clock
        self._deployments: dict[tuple[str, str], DeployedStage] = {}
        self._loading: asyncio.Task[None] | None = None
        self._loaded_at = -_RELOAD_SECONDS

    def find(self, api_id: str, stage: str) -> DeployedStage | None:
        """Return the cached APIs."""
        return self._deployments.get((api_id, stage))

    def deployments(self) -> list[tuple[str, str]]:
        """API id and stage of all deployments."""
        return sorted(self._deployments)

    def current(self, deployment: DeployedStage) -> DeployedStage:
        """The deployment that has replaced this one."""
        return self._deployments.get(deployment.key, deployment)

    async def resolve(self, api_id: str, stage: str) -> DeployedStage | None:
        """Return the cached API; if it is unknown, ask AWS, once a second at most."""
        found = self.find(api_id, stage)
        if found is None:
            await asyncio.sleep(self._loaded_at + _RELOAD_SECONDS - self._clock())
            found = self.find(api_id, stage)
        if found is None:
            await self.reload()
            found = self.find(api_id, stage)
        return found

    async def reload(self) -> None:
        """Read all APIs again. Requests during a read share its result."""
        if self._loading is None:
            self._loading = asyncio.create_task(self._load())
        await asyncio.shield(self._loading)

    async def _load(self) -> None:
        try:
            apis = await asyncio.to_thread(lambda: list(self._source.load()))
        finally:
            self._loading = None
            self._loaded_at = self._clock()
        deployments = (DeployedStage(api, stage, self._clock) for api in apis for stage in api.stages.values())
        self._deployments = {each.key: self._keep(each) for each in deployments}

    def _keep(self, new: DeployedStage) -> DeployedStage:
        """The old deployment if nothing changed, so that its buckets do not fill up by a reload."""
        old = self._deployments.get(new.key)
        return old if old and (old.api, old.stage) == (new.api, new.stage) else new
