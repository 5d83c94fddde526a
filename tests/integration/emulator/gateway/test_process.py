"""The gateway as a process: several accounts, the ready file, a missing AWS, its own ceiling."""

import json
import os
import subprocess
import sys
from pathlib import Path

import aiohttp
import pytest

from tests.integration.emulator.gateway.local_api import OTHER_ACCOUNT, LocalApi, client, running_gateway
from tests.support.aws import with_secret
from tests.support.waiting import wait_until


@pytest.mark.emulator_contract
async def test_one_gateway_serves_several_accounts(api: LocalApi) -> None:
    """Each API belongs to its account; another's posts are refused."""
    control_plane = client("apigatewayv2", api.endpoint, OTHER_ACCOUNT)
    other = control_plane.create_api(
        Name="cell", ProtocolType="WEBSOCKET", RouteSelectionExpression="$request.body.action"
    )["ApiId"]
    control_plane.create_stage(ApiId=other, StageName="live", AutoDeploy=True)
    with running_gateway(api, accounts=("111111111111", OTHER_ACCOUNT)) as gateway:
        url = f"http://127.0.0.1:{gateway.port}/{other}/live"
        async with aiohttp.ClientSession() as session, session.ws_connect(url.replace("http", "ws")) as socket:
            (connection_id,) = (await gateway.control("/_gateway/connections"))["connection_ids"]
            client("apigatewaymanagementapi", url, OTHER_ACCOUNT).post_to_connection(
                ConnectionId=connection_id, Data=b"own"
            )
            assert await socket.receive_str() == "own"
            stranger = client("apigatewaymanagementapi", url)
            with pytest.raises(stranger.exceptions.ForbiddenException):
                stranger.post_to_connection(ConnectionId=connection_id, Data=b"strange")
            elsewhere = gateway.management()
            with pytest.raises(elsewhere.exceptions.GoneException):
                elsewhere.post_to_connection(ConnectionId=connection_id, Data=b"wrong API")
            assert (await gateway.control("/_gateway/stats"))["posts"] == {"200": 1, "403": 1, "410": 1}


def test_the_ready_line_can_go_to_a_file(api: LocalApi, tmp_path: Path) -> None:
    """It is there whole, or not at all."""
    ready = tmp_path / "ready.json"
    command = [
        sys.executable,
        "-m",
        "tools.emulator.gateway",
        "--aws-endpoint",
        api.endpoint,
        "--account",
        "111111111111",
    ]
    process = subprocess.Popen([*command, "--ready-file", str(ready)], env=with_secret(os.environ))
    try:
        wait_until(ready.exists)
        assert json.loads(ready.read_text())["port"] > 0
    finally:
        process.terminate()
        assert process.wait(10) == 0


def test_a_gateway_without_an_aws_exits_with_a_message() -> None:
    """In one line that names the endpoint."""
    command = [
        sys.executable,
        "-m",
        "tools.emulator.gateway",
        "--aws-endpoint",
        "http://127.0.0.1:9",
        "--account",
        "1" * 12,
    ]
    environment = with_secret(os.environ)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
    assert ended.returncode == 1
    assert "http://127.0.0.1:9" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_the_gateway_measures_its_own_ceiling() -> None:
    """A small run; what it finds is no matter of pass or fail."""
    command = [sys.executable, "-m", "tools.emulator.gateway", "ceiling", "--sockets", "50", "--seconds", "0.5"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    measured = json.loads(ended.stdout)
    assert measured["sockets"] == 50
    assert measured["posts_per_second"] > 0
