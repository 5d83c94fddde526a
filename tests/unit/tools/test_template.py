"""A template leaves one stack's place and enters another's; whatever else is in the file is refused."""

import base64
import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tools.stack import template as module
from tools.stack.dependents import Dependent
from tools.stack.directory import StackDirectory
from tools.stack.state import Applied, Fingerprint
from tools.stack.template import DamagedTemplateError, StackPlace, Template, template_key

PARTS: dict[str, Any] = {
    "terraform": "digest",
    "terraform_version": "1.11.4",
    "packaging": "zip",
    "variables": {"broadcast": {"chunk_size": 10}},
}

CELLS = {"north": {"websocket_url": "ws://127.0.0.1:8200/live"}}


@pytest.fixture
def here(tmp_path: Path) -> StackPlace:
    """A place in a folder with a space and an umlaut."""
    package = tmp_path / "Jörg Müller" / "functions.zip"
    package.parent.mkdir()
    package.write_bytes(b"the functions of the first stack")
    return StackPlace(4100, 8100, package, {"north": 8200})


@pytest.fixture
def place(tmp_path: Path) -> StackPlace:
    """Another place, with other functions."""
    package = tmp_path / "functions.zip"
    package.write_bytes(b"other functions")
    return StackPlace(41001, 61001, package, {"north": 61002})


def state_of(place: StackPlace) -> dict[str, Any]:
    """A state that mentions a place in every possible way, and look-alikes."""
    assert place.package is not None
    content = place.package.read_bytes()
    digest = hashlib.sha256(content)
    md5 = hashlib.md5(content, usedforsecurity=False)
    return {
        f"key http://localhost:{place.aws_port}/1/queue": f"http://127.0.0.1:{place.aws_port}/1/queue",
        "policy": json.dumps({"url": f"http://127.0.0.1:{place.aws_port}/1/queue"}),
        "websocket": f"ws://127.0.0.1:{place.gateway_port}/live",
        "cell": f"ws://127.0.0.1:{place.cell_ports['north']}/live",
        "api": f"http://1f0d8f3f.execute-api.localhost:{place.aws_port}",
        "source": str(place.package),
        "code": [digest.hexdigest(), base64.b64encode(digest.digest()).decode(), f'"{md5.hexdigest()}"'],
        "sizes": [{"CodeSize": len(content)}, {"source_code_size": len(content)}, {"size": len(content)}],
        "others": ["http://127.0.0.1:41009", "4100", 4100, 1.5, None, True, 32, 15, {"timeout": 32, "CodeSize": 9}],
    }


def stack_in(directory: StackDirectory, place: StackPlace) -> None:
    """Write what a stack in that place has."""
    assert place.package is not None
    code = place.package.read_bytes()
    state = json.dumps(state_of(place)).encode()
    for path, content in {
        directory.hub.state: state,
        directory.dependent(Dependent("subscriber", "blue")).state: state,
        directory.aws_state / "ministack" / "sqs.json": state,
        directory.aws_state / "ministack" / "lambda-blobs" / f"{hashlib.sha256(code).hexdigest()}.zip": code,
        directory.aws_state / "s3" / "1" / "bucket" / "functions.zip": code,
        directory.aws_state / "s3" / "1" / "bucket" / "functions.zip.meta.json": state,
        directory.aws_state / "s3" / "1" / "bucket" / "object.json": b"not JSON: 127.0.0.1:4100",
        directory.aws_state / "tmp" / "scratch": b"of the process",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def files_in(directory: StackDirectory) -> dict[str, Any]:
    """The contents of a stack's directory; JSON is compared by its values."""
    return {
        path.relative_to(directory.path).as_posix(): json.loads(path.read_bytes())
        if path.name.endswith((".tfstate", "sqs.json", ".meta.json"))
        else path.read_bytes()
        for path in directory.path.rglob("*")
        if path.is_file()
    }


@pytest.fixture
def template(directory: StackDirectory, here: StackPlace) -> Template:
    """The template of a stack at this place."""
    assert here.package is not None
    stack_in(directory, here)
    outputs = {"http_url": "http://127.0.0.1:4100/api", "functions": {"publish": "loudhailer-publish"}}
    code = hashlib.sha256(here.package.read_bytes()).hexdigest()
    return Template.taken(directory, here, "key", Applied(Fingerprint(code, "", ""), outputs, CELLS))


def test_the_numbers_of_a_state_keep_all_their_digits(directory: StackDirectory, here: StackPlace) -> None:
    """Terraform calculates with more digits than a float has: a plan after a shortened number would show a change."""
    number = b"0.84999999999999999999999999999999999999999999999999999999999999999996"
    directory.hub.state.parent.mkdir(parents=True, exist_ok=True)
    directory.hub.state.write_bytes(b'{"outputs": {"share": ' + number + b"}}")
    template = Template.taken(directory, here, "key", Applied(Fingerprint("code", "", ""), {}, {}))
    directory.hub.state.unlink()
    template.put_into(directory, here)
    assert number in directory.hub.state.read_bytes()


def test_a_template_contains_nothing_of_its_original_stack(template: Template, here: StackPlace) -> None:
    """Neither ports nor folders nor functions, but for what only looks like them."""
    kept = str((template.code, template.outputs, template.files))
    forbidden = [":4100/", ":8100", ":8200", "Jörg", "J\\u00f6rg", "the functions of the first stack"]
    assert [word for word in forbidden if word in kept] == []
    assert template.code == "{package_sha256}"
    assert template.outputs["http_url"] == "http://127.0.0.1:{aws_port}/api"
    state = json.loads(template.files["terraform.tfstate"])
    assert state["others"] == state_of(here)["others"]
    assert not [name for name in template.files if name.startswith("aws/tmp")]


def test_a_stack_from_a_template_is_as_if_everything_had_been_applied(
    template: Template, tmp_path: Path, place: StackPlace
) -> None:
    """With its own ports, its own folder and its own functions."""
    assert place.package is not None
    entered, applied = (StackDirectory(tmp_path / name / "local") for name in ("entered", "applied"))
    here = template.put_into(entered, place)
    assert here.cells == {"north": {"websocket_url": "ws://127.0.0.1:61002/live"}}
    assert here.outputs == {"http_url": "http://127.0.0.1:41001/api", "functions": {"publish": "loudhailer-publish"}}
    assert here.code == hashlib.sha256(place.package.read_bytes()).hexdigest()
    stack_in(applied, place)
    (applied.aws_state / "tmp" / "scratch").unlink()
    assert files_in(entered) == files_in(applied)


def test_functions_in_an_image_are_not_rewritten(directory: StackDirectory, tmp_path: Path) -> None:
    """Terraform sees to it that they are the ones of this stack."""
    state = {"image": "loudhailer@sha256:1", "CodeSize": 0, "url": "http://127.0.0.1:4100/"}
    directory.hub.state.parent.mkdir(parents=True)
    directory.hub.state.write_text(json.dumps(state))
    template = Template.taken(
        directory, StackPlace(4100, 8100, None), "key", Applied(Fingerprint("sha256:1", "", ""), {})
    )
    other = StackDirectory(tmp_path / "other" / "local")
    assert template.put_into(other, StackPlace(4200, 8200, None)).code == "sha256:1"
    assert json.loads(other.hub.state.read_text()) == state | {"url": "http://127.0.0.1:4200/"}


def test_a_template_survives_being_written_to_a_file(template: Template) -> None:
    """With its key, its code, its outputs and its files."""
    assert Template.from_bytes(template.to_bytes(), "key") == template


def test_a_template_of_another_key_is_refused(template: Template) -> None:
    """The file may have been renamed."""
    with pytest.raises(DamagedTemplateError, match="another kind of stack"):
        Template.from_bytes(template.to_bytes(), "another key")


@pytest.mark.parametrize("position", [0, 40, -1])
def test_a_single_wrong_byte_is_noticed(template: Template, position: int) -> None:
    """In the digest or in what it is the digest of."""
    content = bytearray(template.to_bytes())
    content[position] ^= 1
    with pytest.raises(DamagedTemplateError, match="digest"):
        Template.from_bytes(bytes(content), "key")


@pytest.mark.parametrize("length", [0, 10, 32, 200])
def test_an_incomplete_template_is_refused(template: Template, length: int) -> None:
    """A disk that was full, or a copy that was cut short."""
    with pytest.raises(DamagedTemplateError):
        Template.from_bytes(template.to_bytes()[:length], "key")


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
def test_a_complete_file_of_another_kind_is_refused(content: bytes) -> None:
    """Another version may have written other things."""
    with pytest.raises(DamagedTemplateError, match="not laid out"):
        Template.from_bytes(hashlib.sha256(content).digest() + content, "key")


@pytest.mark.parametrize("name", ["../stack.json", "aws/../../x", "/etc/x"])
def test_a_file_outside_the_directory_is_refused(template: Template, name: str) -> None:
    """Its digest is right, but no stack has left such a template."""
    outside = replace(template, files={name: b"{}"})
    with pytest.raises(DamagedTemplateError, match="outside"):
        Template.from_bytes(outside.to_bytes(), template.key)


@pytest.mark.parametrize(
    ("part", "value"),
    [
        ("terraform", "other sources, or another lock"),
        ("terraform_version", "1.12.0"),
        ("packaging", "image"),
        ("variables", {"broadcast": {"chunk_size": 11}}),
    ],
)
def test_each_part_changes_the_key(part: str, value: object) -> None:
    """Two stacks that differ in one of them never share a template."""
    assert template_key(**PARTS) == template_key(**PARTS)
    assert template_key(**PARTS | {part: value}) != template_key(**PARTS)


def test_another_ministack_or_python_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """Another version may not read what this one saved."""
    keys = {template_key(**PARTS)}
    with monkeypatch.context() as patch:
        patch.setattr("importlib.metadata.version", lambda _: "9.9.9")
        keys.add(template_key(**PARTS))
    monkeypatch.setattr("platform.python_version", lambda: "3.14.0")
    keys.add(template_key(**PARTS))
    assert len(keys) == 3


EMULATOR = ("emulator/aws/gaps/alarms.py", "stack/lifecycle.py", "release/waves.py")


@pytest.mark.parametrize("path", EMULATOR)
def test_a_changed_emulator_changes_the_key(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    """A gap that is closed otherwise may keep other data; the file exists."""
    assert (module._TOOLS / path).is_file()
    monkeypatch.setattr(module, "_TOOLS", tmp_path)
    for each in EMULATOR:
        (tmp_path / each).parent.mkdir(parents=True)
        (tmp_path / each).write_text("VERSION = 1\n")
    before = template_key(**PARTS)
    (tmp_path / path).write_text("VERSION = 2\n")
    assert template_key(**PARTS) != before


@pytest.mark.parametrize("path", EMULATOR)
def test_a_folder_of_the_emulator_that_has_moved_is_noticed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """A folder without sources would give the same key whatever changes."""
    monkeypatch.setattr(module, "_TOOLS", tmp_path)
    for each in EMULATOR:
        (tmp_path / each).parent.mkdir(parents=True)
        if each != path:
            (tmp_path / each).write_text("VERSION = 1\n")
    with pytest.raises(ValueError, match=r"No file in .* ends with \.py"):
        template_key(**PARTS)
