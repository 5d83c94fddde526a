"""Action that a request needs besides its own, because it tags what it creates.

A caller that creates a resource with tags needs permission to tag the created resource. The operations
are those whose permissions CloudFormation's schemas name together (`handlers.create` and `tagging`), such as
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-apigatewayv2-stage.html. A refusal
by API Gateway is described in https://github.com/aws-amplify/amplify-cli/issues/12316. An event source mapping is left
out: its ARN is not known before it is created.
"""

import json
import re
from contextlib import suppress

_STAGES = re.compile(r"/v2/apis/[^/]+/stages(/[^/]+)?/?")
_TAGGING = {
    "dynamodb:CreateTable": "dynamodb:TagResource",
    "events:PutRule": "events:TagResource",
    "iam:CreateRole": "iam:TagRole",
    "lambda:CreateFunction": "lambda:TagResource",
    "logs:CreateLogGroup": "logs:TagResource",
    "sns:CreateTopic": "sns:TagResource",
    "sqs:CreateQueue": "sqs:TagQueue",
}


def tag_action(action: str, path: str, body: bytes) -> str | None:
    """The action that allows the request to tag what it creates; None if it creates nothing, or without tags."""
    tagging = _TAGGING.get(action)
    if action == "apigateway:POST" and _STAGES.fullmatch(path):
        tagging = "apigateway:TagResource"
    return tagging if tagging and _has_tags(body) else None


def _has_tags(body: bytes) -> bool:
    """Tell whether a request, in JSON or as a form, has at least one tag."""
    with suppress(ValueError):
        request = json.loads(body)
        return isinstance(request, dict) and any(request.get(name) for name in ("tags", "Tags"))
    return b"Tags.member.1." in body
