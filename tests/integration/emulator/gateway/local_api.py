"""The local AWS with a function and an API, gateways and clients, for integration tests of the gateway."""

import asyncio
import io
import json
import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

import aiohttp
import boto3
from botocore.config import Config

from tests.support.aws import SECRET, with_secret
from tests.support.orders import signed_by_root
from tests.support.waiting import eventually, wait_until

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_apigatewayv2 import ApiGatewayV2Client

ACCOUNT, OTHER_ACCOUNT, REGION, STAGE = "111111111111", "222222222222", "us-east-1", "live"
ONE_ATTEMPT = Config(retries={"total_max_attempts": 1})


def client(
    service: str, endpoint: str, access_key: str = ACCOUNT, config: Config = ONE_ATTEMPT, secret: str = SECRET
) -> Any:
    """A boto3 client that tries once, with the keys of an account's root or others."""
    return boto3.client(
        service,  # type: ignore[call-overload]
        endpoint_url=endpoint,
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret,
        config=config,
    )


@dataclass(frozen=True)
class LocalApi:
    """A WebSocket API in the local AWS whose routes all lead to the probe function."""

    endpoint: str
    api_id: str
    notes: Path

    @classmethod
    def create(cls, endpoint: str, notes: Path) -> "LocalApi":
        """Make the function with its role and its alias, and the API around it."""
        add_role(endpoint, "probe", {"Service": "lambda.amazonaws.com"})
        function = f"{_create_function(endpoint, notes)}:{STAGE}"
        uri = f"arn:aws:apigateway:{REGION}:lambda:path/2015-03-31/functions/{function}/invocations"
        api = cls(endpoint, _create_api(endpoint), notes)
        integration = api.add_integration(uri)
        authorizer = api.control_plane.create_authorizer(
            ApiId=api.api_id,
            Name="authorizer",
            AuthorizerType="REQUEST",
            AuthorizerUri=uri,
            IdentitySource=["route.request.querystring.tenantId"],
        )["AuthorizerId"]
        api.add_route("$connect", integration, AuthorizationType="CUSTOM", AuthorizerId=authorizer)
        for key in ("$disconnect", "silent"):
            api.add_route(key, integration)
        for key in ("$default", "echo", "throttled"):
            api.add_answering_route(key, integration)
        api.add_route("missing", api.add_integration(uri.replace(":probe:", ":nobody:")))
        api.control_plane.create_stage(
            ApiId=api.api_id,
            StageName=STAGE,
            AutoDeploy=True,
            RouteSettings={"throttled": {"ThrottlingRateLimit": 0.01, "ThrottlingBurstLimit": 2}},
        )
        return api

    @property
    def control_plane(self) -> "ApiGatewayV2Client":
        """The apigatewayv2 API."""
        control_plane: ApiGatewayV2Client = client("apigatewayv2", self.endpoint)
        return control_plane

    def add_integration(self, uri: str) -> str:
        """A proxy integration."""
        return self.control_plane.create_integration(
            ApiId=self.api_id, IntegrationType="AWS_PROXY", IntegrationUri=uri, TimeoutInMillis=29_000
        )["IntegrationId"]

    def add_route(self, key: str, integration_id: str, **settings: Any) -> str:
        """A route."""
        route = self.control_plane.create_route(
            ApiId=self.api_id, RouteKey=key, Target=f"integrations/{integration_id}", **settings
        )
        return route["RouteId"]

    def add_answering_route(self, key: str, integration_id: str) -> None:
        """A route with a route response."""
        route_id = self.add_route(key, integration_id, RouteResponseSelectionExpression="$default")
        self.control_plane.create_route_response(ApiId=self.api_id, RouteId=route_id, RouteResponseKey="$default")

    def events(self, connection_id: str, route_key: str) -> list[dict[str, Any]]:
        """Return the function's events of a connection and a route; the authorizer's events are `$connect`'s too."""
        events = [json.loads(path.read_text()) for path in self.notes.glob("*.json")]
        return [
            event
            for event in events
            if (event["requestContext"]["connectionId"], event["requestContext"]["routeKey"])
            == (connection_id, route_key)
        ]

    def disconnect_event(self, connection_id: str) -> dict[str, Any]:
        """The `$disconnect` event, once it has come."""
        return wait_until(lambda: next(iter(self.events(connection_id, "$disconnect")), None))


def add_role(
    endpoint: str, name: str, principal: dict[str, str], *statements: dict[str, Any], account: str = ACCOUNT
) -> str:
    """Make a role that the principal may assume, and that has the statements' permissions; return its ARN."""
    iam = client("iam", endpoint, account)
    trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(trust))["Role"]["Arn"]
    if statements:
        iam.put_role_policy(RoleName=name, PolicyName="tests", PolicyDocument=_policy(*statements))
    return str(role)


def _policy(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


def _create_function(endpoint: str, notes: Path) -> str:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as package:
        package.write(Path(__file__).with_name("probe.py"), "probe.py")
    functions = client("lambda", endpoint)
    function = functions.create_function(
        FunctionName="probe",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT}:role/probe",
        Handler="probe.handler",
        Code={"ZipFile": archive.getvalue()},
        Environment={"Variables": {"NOTES": str(notes)}},
        Publish=True,
    )
    functions.create_alias(FunctionName="probe", Name=STAGE, FunctionVersion=function["Version"])
    # Versions without the alias must never run.
    functions.update_function_configuration(FunctionName="probe", Handler="probe.gone")
    return f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:probe"


def _create_api(endpoint: str) -> str:
    api = client("apigatewayv2", endpoint).create_api(
        Name="probe", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )
    api_id: str = api["ApiId"]
    return api_id


@dataclass(frozen=True)
class RunningGateway:
    """A gateway process."""

    api: LocalApi
    process: "subprocess.Popen[str]"
    port: int

    @property
    def url(self) -> str:
        """Its control endpoints are below."""
        return f"http://127.0.0.1:{self.port}"

    @property
    def management_url(self) -> str:
        """The endpoint of the management API."""
        return f"{self.url}/{self.api.api_id}/{STAGE}"

    def websocket_url(self, **query: str) -> str:
        """Return where clients connect; every identity source is given."""
        return f"ws://127.0.0.1:{self.port}/{self.api.api_id}/{STAGE}?{urlencode({'tenantId': 'tenant'} | query)}"

    def management(
        self, access_key: str = ACCOUNT, config: Config = ONE_ATTEMPT, secret: str = SECRET
    ) -> "ApiGatewayManagementApiClient":
        """The management API as functions call it."""
        management: ApiGatewayManagementApiClient = client(
            "apigatewaymanagementapi", self.management_url, access_key, config, secret
        )
        return management

    async def control(self, path: str, content: Any = None) -> Any:
        """Ask a control endpoint; with content by POST."""
        body = b"" if content is None else json.dumps(content).encode()
        status, answer = await self.order("GET" if content is None else "POST", path, body)
        assert status == 200, answer
        return answer

    async def stats_when(self, name: str, value: int) -> dict[str, Any]:
        """The statistics, once one of them has this value."""

        async def stats() -> dict[str, Any]:
            found: dict[str, Any] = await self.control("/_gateway/stats")
            return found

        return await eventually(stats, lambda found: found[name] == value)

    async def order(self, method: str, path: str, body: bytes = b"") -> tuple[int, Any]:
        """Send a request to a control endpoint; status and answer."""
        url = f"{self.url}{path}"
        headers = signed_by_root(SECRET)(method, url, body)
        async with (
            aiohttp.ClientSession() as session,
            session.request(method, url, data=body, headers=headers) as got,
        ):
            return got.status, await got.json()

    @asynccontextmanager
    async def connected(self, **query: str) -> AsyncIterator["ConnectedClient"]:
        """A connected client that knows its connection id."""
        before = set((await self.control("/_gateway/connections"))["connection_ids"])
        async with aiohttp.ClientSession() as session, session.ws_connect(self.websocket_url(**query)) as socket:
            after = set((await self.control("/_gateway/connections"))["connection_ids"])
            (connection_id,) = after - before
            yield ConnectedClient(socket, connection_id)

    async def handshake_status(self, **query: str) -> int:
        """The status that a refused handshake is answered with."""
        return (await self.refused(self.websocket_url(**query)))[0]

    @staticmethod
    async def refused(url: str) -> tuple[int, str]:
        """Status and body of a refused handshake."""
        headers = {
            "Connection": "Upgrade",
            "Upgrade": "websocket",
            "Sec-WebSocket-Version": "13",
            "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        }
        async with (
            aiohttp.ClientSession() as session,
            session.get(url.replace("ws:", "http:"), headers=headers) as got,
        ):
            return got.status, "" if got.status == 101 else await got.text()


@dataclass(frozen=True)
class ConnectedClient:
    """A client's socket and its connection id."""

    socket: aiohttp.ClientWebSocketResponse
    connection_id: str

    async def ask(self, **message: Any) -> Any:
        """Send a JSON message and wait for the next frame."""
        await self.socket.send_str(json.dumps(message))
        return json.loads(await self.socket.receive_str(timeout=30))

    async def close_code(self, seconds: float = 10.0) -> int | None:
        """Wait for the end; its code."""
        async with asyncio.timeout(seconds):
            async for _message in self.socket:
                pass
        return self.socket.close_code


@contextmanager
def running_gateway(api: LocalApi, *flags: str, accounts: tuple[str, ...] = (ACCOUNT,)) -> Iterator[RunningGateway]:
    """A gateway process with these flags; it must end by SIGTERM with status 0."""
    command = [sys.executable, "-m", "tools.emulator.gateway", "--aws-endpoint", api.endpoint, *flags]
    for account in accounts:
        command += ["--account", account]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=with_secret(os.environ))
    try:
        assert process.stdout is not None
        with process.stdout:
            ready = json.loads(process.stdout.readline())
        yield RunningGateway(api, process, ready["port"])
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        process.kill()
        process.wait()
