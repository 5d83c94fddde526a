"""What a stack was right after its first apply, for other stacks to start from: 25-second queues are made once.

A template is the data of the local AWS, which it saves on request, and Terraform's state of the hub and the
subscribers. `docs/architecture.md` says what its key is made of, and what keeps a wrong one from being used.
"""

import hashlib
import io
import json
import platform
import re
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path
from typing import Any

from tools.stack.directory import StackDirectory
from tools.stack.project import digest_of, fingerprint_of

_FORMAT = 1
_TOOLS = Path(__file__).resolve().parents[1]
_EMULATOR = ("local_aws", "stack", "release")
"""The folders of `tools` whose code makes what a template holds."""

_MANIFEST = "template.json"
_SAVED = ("ministack", "s3")
"""The folders of the local AWS's state; the others are made anew at each start."""

_HOSTS = r"(127\.0\.0\.1|localhost)"

type _Rewrite = Callable[[str], str]


class DamagedTemplateError(Exception):
    """A template cannot be used; the message says why."""


def template_key(*, terraform: str, terraform_version: str, packaging: str, variables: Mapping[str, Any]) -> str:
    """What two stacks must have in common for one to start as the other was: all but ports, folder and functions' code.

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
class Place:
    """What a stack's data and state say of the place it runs in: ports, and the path of the functions' zip."""

    aws_port: int
    gateway_port: int
    package: str

    def left(self) -> _Rewrite:
        """Put names in place of all this, in one string."""
        names = {str(self.aws_port): "{aws_port}", str(self.gateway_port): "{gateway_port}"}
        ports = re.compile(rf"{_HOSTS}:({'|'.join(names)})(?!\d)")

        def rewrite(text: str) -> str:
            return "{package}" if text == self.package else ports.sub(lambda m: f"{m[1]}:{names[m[2]]}", text)

        return rewrite

    def entered(self) -> _Rewrite:
        """Put all this in place of the names."""
        values = {
            "{aws_port}": str(self.aws_port),
            "{gateway_port}": str(self.gateway_port),
            "{package}": self.package,
        }
        names = re.compile("|".join(map(re.escape, values)))
        return lambda text: names.sub(lambda m: values[m[0]], text)


@dataclass(frozen=True)
class Template:
    """A stack without its place.

    Attributes:
        key: see `template_key`.
        code: the digest of the functions that were deployed.
        outputs: Terraform's, of the hub.
        files: what to put into a stack's directory, by path.
    """

    key: str
    code: str
    outputs: dict[str, Any]
    files: Mapping[str, bytes]

    @classmethod
    def taken(cls, directory: StackDirectory, place: Place, key: str, code: str, outputs: dict[str, Any]) -> "Template":
        """A template of a stack whose local AWS has saved its state."""
        states = [directory.hub.state, *(directory.subscriber(name).state for name in directory.subscribers())]
        saved = [path for name in _SAVED for path in (directory.aws_state / name).rglob("*") if path.is_file()]
        files = {path.relative_to(directory.path).as_posix(): path.read_bytes() for path in (*states, *saved)}
        return cls(key, code, outputs, files).rewritten(place.left())

    def put_into(self, directory: StackDirectory, place: Place) -> dict[str, Any]:
        """Write the files, at home in their new place; the outputs that fit it."""
        at_home = self.rewritten(place.entered())
        for name, content in at_home.files.items():
            path = directory.path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(content)
        return at_home.outputs

    def to_bytes(self) -> bytes:
        """The template as one file: the digest of all that follows, then a zip."""
        buffer = io.BytesIO()
        manifest = {"key": self.key, "code": self.code, "outputs": self.outputs}
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
        if template.key != key:
            raise DamagedTemplateError("it belongs to another kind of stack")
        return template

    def rewritten(self, rewrite: _Rewrite) -> "Template":
        """The template with every string in its outputs and states rewritten."""
        outputs: dict[str, Any] = _mapped(self.outputs, rewrite)
        return replace(
            self,
            outputs=outputs,
            files={
                name: json.dumps(_mapped(json.loads(content), rewrite)).encode() if _is_json(name) else content
                for name, content in self.files.items()
            },
        )


def _is_json(name: str) -> bool:
    """Whether it is a service's state or Terraform's; an object in S3 stays as it is, whatever its name."""
    return name.endswith(".tfstate") or (name.startswith("aws/ministack/") and name.endswith(".json"))


def _mapped(value: Any, rewrite: _Rewrite) -> Any:
    """The JSON value with every string in it rewritten, and every key."""
    if isinstance(value, dict):
        return {rewrite(key): _mapped(each, rewrite) for key, each in value.items()}
    if isinstance(value, list):
        return [_mapped(each, rewrite) for each in value]
    return rewrite(value) if isinstance(value, str) else value
