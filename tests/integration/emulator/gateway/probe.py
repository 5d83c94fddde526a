"""The Lambda function behind the gateway's tests: authorizer and every route, as the test's query string orders.

It notes each event it gets as a file in NOTES, because a test cannot see `$disconnect` otherwise.
"""

import json
import os
import time
import uuid
from pathlib import Path
from typing import Any


def handler(event: dict[str, Any], _context: object) -> Any:
    """Answer the authorizer's event or a route's."""
    _note(event)
    if event.get("type") == "REQUEST":
        return _authorize(event)
    context = event["requestContext"]
    if context["routeKey"] == "$connect":
        return _connect(event.get("queryStringParameters", {}))
    if context["routeKey"] == "$disconnect":
        return {"statusCode": 200}
    return _message(json.loads(event["body"]) if event["body"].startswith("{") else {}, event)


def _note(event: dict[str, Any]) -> None:
    notes = Path(os.environ["NOTES"])
    partial = notes / f"{uuid.uuid4().hex}.partial"
    partial.write_text(json.dumps(event))
    partial.rename(partial.with_suffix(".json"))


def _authorize(event: dict[str, Any]) -> Any:
    order = event["queryStringParameters"].get("authorizer", "allow")
    if order == "unauthorized":
        raise PermissionError("Unauthorized")
    if order == "crash":
        raise RuntimeError("broken")
    if order == "malformed":
        return {"isAuthorized": True}
    resource = event["methodArn"] if order != "elsewhere" else "arn:aws:execute-api:us-east-1:111111111111:other/*"
    statement = {
        "Action": "execute-api:Invoke",
        "Effect": "Deny" if order == "deny" else "Allow",
        "Resource": resource,
    }
    return {
        "principalId": "principal",
        "policyDocument": {"Version": "2012-10-17", "Statement": [statement]},
        "context": {
            "tenantId": event["queryStringParameters"]["tenantId"],
            "number": 5,
            "flag": True,
            **json.loads(event["queryStringParameters"].get("context", "{}")),
        },
    }


def _connect(query: dict[str, str]) -> Any:
    order = query.get("connect", "200")
    if order == "crash":
        raise RuntimeError("broken")
    if order == "malformed":
        return "ok"
    time.sleep(float(query.get("sleep", "0")))
    headers = {"Sec-WebSocket-Protocol": query["subprotocol"]} if "subprotocol" in query else {}
    return {"statusCode": int(order), "body": query.get("body", ""), "headers": headers}


def _message(body: dict[str, Any], event: dict[str, Any]) -> Any:
    order = body.get("order", "echo")
    if order == "crash":
        raise RuntimeError("broken")
    time.sleep(body.get("sleep", 0))
    return {"statusCode": 200, "body": json.dumps(event) if order == "echo" else ""}
