"""The launcher starts, stops and refuses as it says."""

import json
import os
import subprocess
import sys
from pathlib import Path

import ministack
import psutil
import pytest

from tests.integration.emulator.aws.running import ACCOUNT, LocalAws, launched
from tests.support.aws import with_secret


def _refusal(folder: Path, port: int, environment: dict[str, str] | None = None) -> str:
    """Return the error of a launcher that does not start."""
    arguments = ["--port", str(port), "--state-dir", str(folder), "--account", ACCOUNT]
    command = [sys.executable, "-m", "tools.emulator.aws", *arguments]
    with_it = with_secret(os.environ if environment is None else environment)
    ended = subprocess.run(command, capture_output=True, text=True, timeout=30, env=with_it, check=False)
    assert ended.returncode == 1
    assert ended.stdout == ""
    return ended.stderr


def _tampered_ministack(folder: Path) -> None:
    """A copy of MiniStack, made of links, in which one patched function differs by a comment."""
    original = Path(ministack.__file__).parent
    copy = folder / "ministack"
    services = copy / "services"
    services.mkdir(parents=True)
    for source, target in ((original, copy), (original / "services", services)):
        for entry in source.iterdir():
            if entry.name not in {"services", "lambda_svc.py", "__pycache__"} or entry == original / "__pycache__":
                (target / entry.name).symlink_to(entry)
    text = (original / "services" / "lambda_svc.py").read_text()
    line = "def _ensure_poller():\n"
    assert line in text
    (services / "lambda_svc.py").write_text(text.replace(line, f"{line}    # tampered\n"))


def test_the_ready_file_and_stdout_name_the_endpoint(tmp_path: Path) -> None:
    """One line of JSON, and the endpoint answers by then."""
    ready = tmp_path / "ready.json"
    with launched(tmp_path, "--ready-file", str(ready)) as local_aws:
        ready_line = json.loads(ready.read_text())
        assert ready_line == {
            "event": "ready",
            "port": ready_line["port"],
            "endpoint": f"http://127.0.0.1:{ready_line['port']}",
        }
        assert local_aws.endpoint == ready_line["endpoint"]
        assert local_aws.client("sts").get_caller_identity()["Account"] == ACCOUNT


@pytest.mark.emulator_contract
def test_the_local_aws_listens_on_the_loopback_interface_only(local_aws: LocalAws) -> None:
    """Nothing of the local AWS is reachable from another machine."""
    connections = psutil.Process(local_aws.process.pid).net_connections()
    listening = {connection.laddr.ip for connection in connections if connection.status == psutil.CONN_LISTEN}
    assert listening == {"127.0.0.1"}


def test_a_taken_port_is_refused_with_a_sentence(local_aws: LocalAws, tmp_path: Path) -> None:
    """No traceback, but what to do."""
    port = int(local_aws.endpoint.rpartition(":")[2])
    message = _refusal(tmp_path, port)
    assert f"The local AWS does not start: 127.0.0.1:{port} cannot be listened on" in message
    assert "Traceback" not in message


def test_a_tampered_function_is_refused_with_a_sentence(tmp_path: Path) -> None:
    """MiniStack as installed is fine; the same with one comment more is not."""
    _tampered_ministack(tmp_path)
    message = _refusal(tmp_path / "state", 0, environment={**os.environ, "PYTHONPATH": str(tmp_path)})
    assert "ministack.services.lambda_svc:_ensure_poller is not the function its patch was written for" in message
    assert "Traceback" not in message


def test_stopping_is_quick_and_leaves_no_worker_even_when_one_is_busy(tmp_path: Path) -> None:
    """Idle workers, a busy one and the launcher are gone within seconds."""
    with launched(tmp_path) as local_aws:
        function, notebook = local_aws.deploy(
            """
def handler(event, context):
    note("running")
    time.sleep(event)
""",
            timeout=60,
        )
        for duration in (b"0", b"0", b"50"):
            local_aws.client("lambda").invoke(
                FunctionName=function, Qualifier="live", InvocationType="Event", Payload=duration
            )
        notebook.await_entries(3)
        children = psutil.Process(local_aws.process.pid).children(recursive=True)
        assert children
    gone, alive = psutil.wait_procs(children, timeout=2)
    assert alive == []
    assert len(gone) == len(children)
    assert not (tmp_path / "state" / "tmp").exists()


def test_a_worker_ends_by_itself_when_the_launcher_is_killed(tmp_path: Path) -> None:
    """Even a crash leaves nothing running, and nothing that stops the next start."""
    with launched(tmp_path) as local_aws:
        function, notebook = local_aws.deploy("""
def handler(event, context):
    note("running")
""")
        local_aws.client("lambda").invoke(FunctionName=function, Qualifier="live")
        assert notebook.entries() == ["running"]
        children = psutil.Process(local_aws.process.pid).children(recursive=True)
        assert children
        port = int(local_aws.endpoint.rpartition(":")[2])
        local_aws.process.kill()
        local_aws.process.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    assert alive == []
    with launched(tmp_path, port=port) as again:
        assert again.client("lambda").list_functions()["Functions"] == []


@pytest.mark.emulator_contract
def test_state_and_stream_positions_survive_a_restart(tmp_path: Path) -> None:
    """Delivered records are not delivered again; the others are."""

    def put(local_aws: LocalAws, identifier: str) -> None:
        item = {"partition": {"S": "p"}, "id": {"S": identifier}}
        local_aws.client("dynamodb").put_item(TableName=table, Item=item)

    with launched(tmp_path) as local_aws:
        table, stream = local_aws.table()
        function, notebook = local_aws.deploy("""
def handler(event, context):
    note([record["dynamodb"]["Keys"]["id"]["S"] for record in event["Records"]])
""")
        mapping = local_aws.connect(stream, function)
        put(local_aws, "before")
        notebook.await_entries(1)
        local_aws.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=False)
        put(local_aws, "meanwhile")
        port = int(local_aws.endpoint.rpartition(":")[2])
    with launched(tmp_path, port=port) as local_aws:
        local_aws.client("lambda").update_event_source_mapping(UUID=mapping, Enabled=True)
        assert notebook.await_entries(2) == [["before"], ["meanwhile"]]


def test_the_local_aws_ignores_the_callers_environment(tmp_path: Path) -> None:
    """Settings of another MiniStack, and AWS credentials, stay outside."""
    strange = {"AUTH": "false", "GATEWAY_PORT": "1", "AWS_SESSION_TOKEN": "secret", "LAMBDA_EXECUTOR": "docker"}
    with launched(tmp_path, environment={**os.environ, **strange}) as local_aws:
        function, _ = local_aws.deploy("""
def handler(event, context):
    return [os.environ["AWS_ACCESS_KEY_ID"][:4], os.environ["AWS_SESSION_TOKEN"] == "secret"]
""")
        response = local_aws.client("lambda").invoke(FunctionName=function, Qualifier="live")
        assert json.loads(response["Payload"].read()) == ["ASIA", False]
