"""A WebSocket API's integration with a service keeps all that Terraform says about it.

AWS returns an integration's `credentialsArn`, `passthroughBehavior` and `templateSelectionExpression` as they were set:
https://docs.aws.amazon.com/apigatewayv2/latest/api-reference/apis-apiid-integrations.html

A mock integration calls nothing and has no method, unless one is set.

MiniStack drops the three, so every plan of Terraform sets them again, and the gateway knows neither the role nor the
template's selection. It gives every integration the method POST, which every plan would take away.

Patched: what creates and what updates an integration. (Templates and integration responses are kept as they are.)
"""

# ruff: noqa: SLF001 (MiniStack's internals are what this is about)

import json
from typing import Any

from ministack.services import apigateway

from tools.emulator.aws.gaps import Gap
from tools.emulator.aws.options import Options
from tools.emulator.aws.patching import Patch

_DROPPED = ("credentialsArn", "passthroughBehavior", "templateSelectionExpression")
_STOCK_CREATE = apigateway._create_integration
_STOCK_UPDATE = apigateway._update_integration


def gap(_options: Options) -> Gap:
    """Keep the three."""
    return Gap(
        patches=(
            Patch(
                "ministack.services.apigateway:_create_integration",
                "970005e3a99ef0e34ee92e5871f7f8372330521eb5223a5dc3107cb40c914212",
                _create,
            ),
            Patch(
                "ministack.services.apigateway:_update_integration",
                "9fe937d47d758526bd53dc8fe22c8b1088aea7a2179edb419f4dd1f29e182c6a",
                _update,
            ),
        ),
    )


def _create(api_id: str, data: dict[str, Any]) -> Any:
    return _kept(api_id, data, _STOCK_CREATE(api_id, data))


def _update(api_id: str, integration_id: str, data: dict[str, Any]) -> Any:
    return _kept(api_id, data, _STOCK_UPDATE(api_id, integration_id, data))


def _kept(api_id: str, data: dict[str, Any], answer: Any) -> Any:
    """Add to the integration what MiniStack has dropped, and answer with all of it; an error stays as it is."""
    status, _, content = answer
    identifier = json.loads(content).get("integrationId")
    if identifier is None:
        return answer
    integration = apigateway._integrations[api_id][identifier]
    integration.update({name: data[name] for name in _DROPPED if name in data})
    if integration.get("integrationType") == "MOCK" and "integrationMethod" not in data:
        integration.pop("integrationMethod", None)
    return apigateway._apigw_response(integration, status)
