"""A template leaves one stack's place and enters another's; whatever else is in the file is refused."""

import hashlib
import io
import json
import platform
import zipfile
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from tools.stack import template as module
from tools.stack.directory import StackDirectory
from tools.stack.template import DamagedTemplateError, Place, Template, template_key

HERE = Place(4100, 8100, "/home/Jörg Müller/functions.zip")
THERE = Place(41001, 81001, "/home/there/functions.zip")
PARTS: dict[str, Any] = {
    "terraform": "digest",
    "terraform_version": "1.11.4",
    "packaging": "zip",
    "variables": {"chunk_size": 10},
}


def state_of(place: Place) -> dict[str, Any]:
    """A state that speaks of a place in every way that there is, and of what only looks like it."""
    return {
        f"key http://localhost:{place.aws_port}/1/queue": f"http://127.0.0.1:{place.aws_port}/1/queue",
        "policy": json.dumps({"url": f"http://127.0.0.1:{place.aws_port}/1/queue"}),
        "websocket": f"ws://127.0.0.1:{place.gateway_port}/live",
        "api": f"http://1f0d8f3f.execute-api.localhost:{place.aws_port}",
        "source": place.package,
        "others": ["http://127.0.0.1:41009", "10.127.0.0.1", "4100", 4100, 1.5, None, True, "/home/there"],
    }


def stack_in(directory: StackDirectory, place: Place) -> None:
    """Write what a stack in that place has."""
    for path, content in {
        directory.hub.state: json.dumps(state_of(place)).encode(),
        directory.subscriber("blue").state: json.dumps(state_of(place)).encode(),
        directory.aws_state / "ministack" / "sqs.json": json.dumps(state_of(place)).encode(),
        directory.aws_state / "ministack" / "lambda-blobs" / "1.zip": b"127.0.0.1:4100",
        directory.aws_state / "s3" / "1" / "bucket" / "object.json": b"not JSON: 127.0.0.1:4100",
        directory.aws_state / "tmp" / "scratch": b"of the process",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def template_of(directory: StackDirectory) -> Template:
    """The template of a stack that lies here."""
    stack_in(directory, HERE)
    outputs = {"http_url": "http://127.0.0.1:4100/api", "functions": {"publish": "loudhailer-publish"}}
    return Template.taken(directory, HERE, "key", "code", outputs)


def test_a_template_knows_nothing_of_the_stack_that_it_was_taken_of(directory: StackDirectory) -> None:
    """Neither ports nor folders, but for what only looks like them."""
    template = template_of(directory)
    assert template.outputs == {
        "http_url": "http://127.0.0.1:{aws_port}/api",
        "functions": {"publish": "loudhailer-publish"},
    }
    assert sorted(template.files) == [
        "aws/ministack/lambda-blobs/1.zip",
        "aws/ministack/sqs.json",
        "aws/s3/1/bucket/object.json",
        "subscribers/blue/terraform.tfstate",
        "terraform.tfstate",
    ]
    state = json.loads(template.files["terraform.tfstate"])
    assert state["source"] == "{package}"
    assert state["others"] == state_of(HERE)["others"]


def test_a_stack_enters_a_template_in_its_own_place(tmp_path: Path, directory: StackDirectory) -> None:
    """Data and states read as if everything had been applied there."""
    template = template_of(directory)
    other = StackDirectory(tmp_path / "other" / "local")
    outputs = template.put_into(other, THERE)
    assert outputs["http_url"] == "http://127.0.0.1:41001/api"
    states = [other.hub.state, other.subscriber("blue").state, other.aws_state / "ministack" / "sqs.json"]
    assert [json.loads(state.read_bytes()) for state in states] == [state_of(THERE)] * 3
    assert (other.aws_state / "ministack/lambda-blobs/1.zip").read_bytes() == b"127.0.0.1:4100"
    assert (other.aws_state / "s3/1/bucket/object.json").read_bytes() == b"not JSON: 127.0.0.1:4100"


def test_a_template_is_the_same_after_it_lay_in_a_file(directory: StackDirectory) -> None:
    """With its key, its code, its outputs and its files."""
    template = template_of(directory)
    assert Template.from_bytes(template.to_bytes(), "key") == template


def test_a_template_of_another_key_is_refused(directory: StackDirectory) -> None:
    """Somebody may have renamed the file."""
    with pytest.raises(DamagedTemplateError, match="another kind of stack"):
        Template.from_bytes(template_of(directory).to_bytes(), "another key")


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_single_wrong_byte_is_noticed(directory: StackDirectory, position: int) -> None:
    """In the digest or in what it is the digest of."""
    content = bytearray(template_of(directory).to_bytes())
    content[position] ^= 1
    with pytest.raises(DamagedTemplateError, match="digest"):
        Template.from_bytes(bytes(content), "key")


@pytest.mark.parametrize("length", [0, 10, 32, 200])
def test_a_part_of_a_template_is_refused(directory: StackDirectory, length: int) -> None:
    """A disk that was full, or a copy that was cut short."""
    with pytest.raises(DamagedTemplateError):
        Template.from_bytes(template_of(directory).to_bytes()[:length], "key")


def zipped(**files: str) -> bytes:
    """A zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in files.items():
            archive.writestr(f"{name}.json", content)
    return buffer.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        zipped(other="{}"),
        zipped(template="not JSON"),
        zipped(template="[]"),
        zipped(template='{"key": "key"}'),
        zipped(template='{"key": "key", "code": "", "outputs": {}, "later": 1}'),
    ],
)
def test_what_is_whole_but_no_template_is_refused(content: bytes) -> None:
    """Another version may have written other things."""
    with pytest.raises(DamagedTemplateError, match="not laid out"):
        Template.from_bytes(hashlib.sha256(content).digest() + content, "key")


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("terraform", "other sources, or another lock"),
        ("terraform_version", "1.12.0"),
        ("packaging", "image"),
        ("variables", {"chunk_size": 11}),
    ],
)
def test_each_part_changes_the_key(part: str, value: object) -> None:
    """Two stacks that differ in one of them never share a template."""
    assert template_key(**PARTS) == template_key(**PARTS)
    assert template_key(**PARTS | {part: value}) != template_key(**PARTS)


def test_another_ministack_or_python_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """What they save is theirs to read."""
    keys = {template_key(**PARTS)}
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda _: "9.9.9")
        keys.add(template_key(**PARTS))
    monkeypatch.setattr(platform, "python_version", lambda: "3.14.0")
    keys.add(template_key(**PARTS))
    assert len(keys) == 3


@pytest.mark.parametrize("path", ["local_aws/gaps/alarms.py", "stack/lifecycle.py", "release/traffic.py"])
def test_a_changed_emulator_changes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A gap that is closed otherwise may keep other data."""
    monkeypatch.setattr(module, "_TOOLS", tmp_path)
    file = tmp_path / path
    file.parent.mkdir(parents=True)
    file.write_text("VERSION = 1\n")
    before = template_key(**PARTS)
    file.write_text("VERSION = 2\n")
    assert template_key(**PARTS) != before
