"""Templates: a stack right after its first apply, for other stacks to start from without the 25 seconds of each queue.

A template is the data of the local AWS, which it saves on request, and Terraform's state of hub, subscribers and
cells. `docs/architecture.md` says what its key is made of, and how a wrong one is detected.
"""

import hashlib
import io
import json
import platform
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import simplejson

from tools.stack.directory import StackDirectory
from tools.stack.project import digest_of, fingerprint_of
from tools.stack.state import Applied
from tools.stack.terraform import zip_hash

_FORMAT = 2
_TOOLS = Path(__file__).resolve().parents[1]
_EMULATOR = ("emulator/aws", "stack", "release")
"""The folders of `tools` whose code makes what a template holds."""

_MANIFEST = "template.json"
_SAVED = ("ministack", "s3")
"""The folders of the local AWS's state; the others are recreated at each start."""

_AWS_PORT, _GATEWAY_PORT = "{aws_port}", "{gateway_port}"
_PACKAGE, _PACKAGE_SIZE = "{package}", "{package_size}"
_SIZES = {"CodeSize", "source_code_size", "size"}
"""The names of the zip's size in the states of Lambda, Terraform and S3."""


class DamagedTemplateError(Exception):
    """A template cannot be used; the message says why."""


def template_key(*, terraform: str, terraform_version: str | None, packaging: str, variables: Mapping[str, Any]) -> str:
    """Return the digest of all that two stacks must share for one to start from the other's template.

    `terraform` is the digest of the sources, which hold the lock of the provider.
    """
    return digest_of(
        {
            "format": _FORMAT,
            "terraform": terraform,
            "terraform version": terraform_version,
            "packaging": packaging,
            "variables": dict(variables),
            "emulator": {folder: fingerprint_of(_TOOLS / folder, (".py",)) for folder in _EMULATOR},
            "ministack": metadata.version("ministack"),
            "python": platform.python_version(),
        }
    )


@dataclass(frozen=True)
class _Rewriting:
    """Other words for the same things, wherever a stack names them.

    Attributes:
        text: rewrites a string.
        size: a size of the functions' zip, and what takes its place.
        content: the content of the functions' zip, and what takes its place.
    """

    text: Callable[[str], str]
    size: tuple[object, object]
    content: tuple[bytes, bytes]

    def value(self, value: Any, key: str = "") -> Any:
        """The JSON value with every string in it rewritten, and every key."""
        if isinstance(value, dict):
            return {self.text(key): self.value(each, key) for key, each in value.items()}
        if isinstance(value, list):
            return [self.value(each) for each in value]
        if isinstance(value, str) and value != _PACKAGE_SIZE:
            return self.text(value)
        return self.size[1] if key in _SIZES and value == self.size[0] else value

    def file(self, name: str, content: bytes) -> bytes:
        """The content of a file of the stack. Numbers keep all their digits: Terraform's have more than a float."""
        if _is_json(name):
            return simplejson.dumps(self.value(simplejson.loads(content, use_decimal=True))).encode()
        return self.content[1] if content == self.content[0] else content


@dataclass(frozen=True)
class StackPlace:
    """The values in a stack's data and state that describe this stack alone.

    Attributes:
        aws_port: where its local AWS listens.
        gateway_port: where its gateway listens.
        package: the zip of its functions; None if they are an image, of which nothing is rewritten.
        cell_ports: where the gateways of further cells listen.
    """

    aws_port: int
    gateway_port: int
    package: Path | None
    cell_ports: Mapping[str, int] = field(default_factory=dict)

    def with_names(self) -> _Rewriting:
        """Put names in place of all this."""
        names = {port: name for name, port in self._ports().items()}
        ports = re.compile(rf"(127\.0\.0\.1|localhost):({'|'.join(names)})(?!\d)")
        package, content = self._package()

        def text(value: str) -> str:
            for name, own in package.items():
                value = value.replace(own, name)
            return ports.sub(lambda match: f"{match[1]}:{names[match[2]]}", value)

        return _Rewriting(text, (len(content), _PACKAGE_SIZE), (content, _PACKAGE.encode()))

    def with_values(self) -> _Rewriting:
        """Put all this in place of the names."""
        package, content = self._package()
        values = self._ports() | package
        names = re.compile("|".join(map(re.escape, values)))

        def text(value: str) -> str:
            return names.sub(lambda match: values[match[0]], value)

        return _Rewriting(text, (_PACKAGE_SIZE, len(content)), (_PACKAGE.encode(), content))

    def _ports(self) -> dict[str, str]:
        """The ports by the names that stand for them."""
        of_cells = {f"{{gateway_port_{cell}}}": str(port) for cell, port in self.cell_ports.items()}
        return {_AWS_PORT: str(self.aws_port), _GATEWAY_PORT: str(self.gateway_port), **of_cells}

    def _package(self) -> tuple[dict[str, str], bytes]:
        """The values that describe the zip, by name: path, content, and the digests as Lambda and S3 write them."""
        if self.package is None:
            return {}, b""
        content = self.package.read_bytes()
        digest = hashlib.sha256(content)
        values = {
            _PACKAGE: str(self.package),
            "{package_sha256}": digest.hexdigest(),
            "{package_sha256_base64}": zip_hash(digest.hexdigest()),
            "{package_md5}": hashlib.md5(content, usedforsecurity=False).hexdigest(),
        }
        return values, content


@dataclass(frozen=True)
class Template:
    """A stack that does not say where it is, nor which functions it has.

    Attributes:
        key: see `template_key`.
        code: the digest of the functions' image; of a zip, a name for it.
        outputs: Terraform's, of the hub.
        cells: Terraform's, of each further cell.
        files: what to put into a stack's directory, by path.
    """

    key: str
    code: str
    outputs: dict[str, Any]
    cells: dict[str, dict[str, Any]]
    files: Mapping[str, bytes]

    @classmethod
    def taken(cls, directory: StackDirectory, place: StackPlace, key: str, applied: Applied) -> "Template":
        """A template of a stack whose local AWS has saved its state."""
        states = [directory.hub.state, *(directory.dependent(each).state for each in directory.dependents())]
        saved = [path for name in _SAVED for path in (directory.aws_state / name).rglob("*") if path.is_file()]
        files = {path.relative_to(directory.path).as_posix(): path.read_bytes() for path in (*states, *saved)}
        template = cls(key, applied.fingerprint.code, applied.outputs, applied.cells, files)
        return template.rewritten(place.with_names())

    def put_into(self, directory: StackDirectory, place: StackPlace) -> "Template":
        """Write the files as they are in their new place; the template as it is there."""
        at_home = self.rewritten(place.with_values())
        for name, content in at_home.files.items():
            path = directory.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return at_home

    def to_bytes(self) -> bytes:
        """The template as one file: the digest of all that follows, then a zip."""
        buffer = io.BytesIO()
        manifest = {"key": self.key, "code": self.code, "outputs": self.outputs, "cells": self.cells}
        with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr(_MANIFEST, json.dumps(manifest))
            for name, content in self.files.items():
                archive.writestr(name, content)
        content = buffer.getvalue()
        return hashlib.sha256(content).digest() + content

    @classmethod
    def from_bytes(cls, content: bytes, key: str) -> "Template":
        """The template in a file; DamagedTemplateError unless it is whole and has the key."""
        digest_size = hashlib.sha256().digest_size
        digest, content = content[:digest_size], content[digest_size:]
        if hashlib.sha256(content).digest() != digest:
            raise DamagedTemplateError("its digest is wrong")
        try:
            with zipfile.ZipFile(io.BytesIO(content)) as archive:
                files = {name: archive.read(name) for name in archive.namelist()}
            template = cls(**json.loads(files.pop(_MANIFEST)), files=files)
        except (zipfile.BadZipFile, KeyError, ValueError, TypeError) as error:
            raise DamagedTemplateError("it is not laid out as a template is") from error
        if not all(map(_stays_inside, files)):
            raise DamagedTemplateError("it names a file outside a stack's directory")
        if template.key != key:
            raise DamagedTemplateError("it belongs to another kind of stack")
        return template

    def rewritten(self, rewriting: _Rewriting) -> "Template":
        """The template in other words."""
        outputs, cells = rewriting.value(self.outputs), rewriting.value(self.cells)
        files = {rewriting.text(name): rewriting.file(name, content) for name, content in self.files.items()}
        return replace(self, code=rewriting.text(self.code), outputs=outputs, cells=cells, files=files)


def _stays_inside(name: str) -> bool:
    """Tell whether the path stays inside the folder that it starts from."""
    path = PurePosixPath(name)
    return not path.is_absolute() and ".." not in path.parts


def _is_json(name: str) -> bool:
    """Tell whether the file is rewritten as JSON: Terraform's state, a service's, or S3's metadata of an object."""
    if name.startswith("aws/s3/"):
        return name.endswith(".meta.json")
    return name.endswith((".json", ".tfstate"))
