"""The settings of a route are deleted without the stage that they are in.

AWS: `DELETE /v2/apis/{apiId}/stages/{stageName}/routesettings/{routeKey}` deletes the settings of one route:
https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-stages-stagename-routesettings-routekey.html

MiniStack takes it for the deletion of the stage. Terraform deletes the settings that change before it updates a stage,
and does not find the stage then: no throttle of a route could be changed.

Patched: `handle_request` of API Gateway's second version.
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

from typing import Any

from ministack.services import apigateway

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_STOCK_HANDLE = apigateway.handle_request
_SETTINGS = "/routesettings/"


def gap(_options: Options) -> Gap:
    """Keep the stage."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.apigateway:handle_request",
                "c8227527d626afdf79b1835fae0376d099abd72462fa2226900a8d6fd8e5925b",
                _handle,
            ),
        ),
    )


async def _handle(method: str, path: str, headers: Any, body: Any, query_params: Any) -> Any:
    stage_path, separator, route_key = path.partition(_SETTINGS)
    if method != "DELETE" or not separator:
        return await _STOCK_HANDLE(method, path, headers, body, query_params)
    _, _, api_id, _, stage_name = stage_path.strip("/").split("/", 4)
    stage = apigateway._stages.get(api_id, {}).get(stage_name)
    if stage is None:
        return apigateway._apigw_error("NotFoundException", f"Stage '{stage_name}' not found", 404)
    stage.get("routeSettings", {}).pop(route_key, None)
    return 204, {}, b""
