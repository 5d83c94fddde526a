"""The WebSocket API of the probe's own: made for a run, and deleted after it.

It is made by calls, not by Terraform: it lives for minutes, needs no state, and what is left of it is found by its
name. All its integrations are of type MOCK, so it needs no role, no function and no queue. A client learns the id of
its connection from API Gateway's own error message for a frame that has no route.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-integrations.html
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tools.errors import OperatorError
from tools.interruptions import undisturbed

NAME = "loudhailer-probe"
"""The name of the API, by which it is found again if a probe was killed."""

OPEN, NARROW, GONE = "open", "narrow", "gone"
"""Stages: without a throttle; with one of a request a second; for posts to nobody alone, which are counted apart."""

ANSWERED, SILENT = "answered", "silent"
"""Routes: one with a route response, one without."""

STAGES: dict[str, dict[str, Any]] = {
    OPEN: {},
    NARROW: {"ThrottlingRateLimit": 1.0, "ThrottlingBurstLimit": 1},
    GONE: {},
}
ANSWER_TEMPLATE = '{"mock":true,"connectionId":"$context.connectionId"}'
_REQUEST_TEMPLATE = '{"statusCode":200}'
_BY_DEFAULT = "\\$default"


@contextmanager
def own_api(client: Any) -> Iterator[str]:
    """Make the API for the block, and delete it in the end; its id.

    Raises:
        OperatorError: there is one already.
    """
    require_none(client)
    api = client.create_api(
        Name=NAME,
        ProtocolType="WEBSOCKET",
        RouteSelectionExpression="$request.body.action",
        Description="Made by `loudhailer probe`, which deletes it. Remove it if no probe runs.",
    )["ApiId"]
    try:
        _furnish(client, api)
        yield api
    finally:
        with undisturbed():
            client.delete_api(ApiId=api)


def require_none(client: Any) -> None:
    """OperatorError if there is such an API: another probe is at work, or one was killed."""
    if _ids(client):
        raise OperatorError(
            f"There is an API {NAME} already: another probe is at work here, or one was killed.",
            "Wait for it, or remove what it left with --remove.",
        )


def remove_left(client: Any) -> int:
    """Delete the APIs that probes left which were killed; their number."""
    apis = _ids(client)
    for api in apis:
        client.delete_api(ApiId=api)
    return len(apis)


def _ids(client: Any) -> list[str]:
    found: list[str] = []
    arguments: dict[str, str] = {}
    while True:
        page = client.get_apis(**arguments)
        found += [api["ApiId"] for api in page["Items"] if (api["Name"], api["ProtocolType"]) == (NAME, "WEBSOCKET")]
        if not page.get("NextToken"):
            return found
        arguments = {"NextToken": page["NextToken"]}


def _furnish(client: Any, api: str) -> None:
    for key, answers in ((ANSWERED, True), (SILENT, False)):
        _add_route(client, api, key, answers=answers)
    deployment = client.create_deployment(ApiId=api)["DeploymentId"]
    for stage, throttle in STAGES.items():
        client.create_stage(ApiId=api, StageName=stage, DeploymentId=deployment, DefaultRouteSettings=throttle)


def _add_route(client: Any, api: str, key: str, *, answers: bool) -> None:
    integration = client.create_integration(
        ApiId=api,
        IntegrationType="MOCK",
        RequestTemplates={"$default": _REQUEST_TEMPLATE},
        TemplateSelectionExpression=_BY_DEFAULT,
        TimeoutInMillis=5_000,
    )["IntegrationId"]
    client.create_integration_response(
        ApiId=api,
        IntegrationId=integration,
        IntegrationResponseKey="$default",
        ResponseTemplates={"$default": ANSWER_TEMPLATE},
        TemplateSelectionExpression=_BY_DEFAULT,
    )
    selection = {"RouteResponseSelectionExpression": "$default"} if answers else {}
    route = client.create_route(ApiId=api, RouteKey=key, Target=f"integrations/{integration}", **selection)
    if answers:
        client.create_route_response(ApiId=api, RouteId=route["RouteId"], RouteResponseKey="$default")


type Metric = Callable[[str, str], float | None]


def metric_of(cloudwatch: Any, api: str, since: Any, until: Callable[[], Any]) -> Metric:
    """Return a function that sums up a metric of a stage since the probe began; None while there is none.

    https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-websocket-api-logging.html
    """

    def total(stage: str, metric: str) -> float | None:
        points = cloudwatch.get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=[{"Name": "ApiId", "Value": api}, {"Name": "Stage", "Value": stage}],
            StartTime=since,
            EndTime=until(),
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points) if points else None

    return total
