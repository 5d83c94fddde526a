"""A release: one image, named by its digest, and the commit that it was built from.

`{"v": 1, "commit": "<40 hex digits>", "image": {"repository_url", "digest"}, "createdAt": "2026-11-26T15:00:00Z"}`
"""

import json
import re
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tools.errors import OperatorError

_VERSION = 1
_DIGEST = re.compile("sha256:[a-f0-9]{64}")
_COMMIT = re.compile("[a-f0-9]{40}")
_REPOSITORY = re.compile(
    r"(?P<account>[0-9]{12})\.dkr\.ecr\.(?P<region>[a-z0-9-]+)\.amazonaws\.com/(?P<name>[a-z0-9]+(?:[._/-][a-z0-9]+)*)"
)
_TIME = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Image:
    """An image as Lambda runs it: never by a tag, which may be moved."""

    repository_url: str
    digest: str

    def __post_init__(self) -> None:
        if _REPOSITORY.fullmatch(self.repository_url) is None:
            raise OperatorError(
                f"The repository {self.repository_url!r} is not one of ECR.",
                "It must be <12 digits>.dkr.ecr.<region>.amazonaws.com/<name>, without a tag.",
            )
        if _DIGEST.fullmatch(self.digest) is None:
            raise OperatorError(
                f"{self.digest!r} is not an image's digest.",
                "It must be sha256: followed by 64 lowercase hexadecimal digits; a tag is refused: it may be moved.",
            )

    @property
    def account_id(self) -> str:
        """The account of its registry."""
        return self._parts["account"]

    @property
    def region(self) -> str:
        """The Region of its registry."""
        return self._parts["region"]

    @property
    def repository(self) -> str:
        """Its repository's name."""
        return self._parts["name"]

    @property
    def _parts(self) -> dict[str, str]:
        match = _REPOSITORY.fullmatch(self.repository_url)
        assert match is not None  # noqa: S101 (looked at when it was made)
        return match.groupdict()


@dataclass(frozen=True)
class Manifest:
    """A release."""

    commit: str
    image: Image
    created_at: datetime

    @classmethod
    def now(cls, commit: str, image: Image) -> "Manifest":
        """Return the manifest of the image just built; OperatorError for a malformed commit."""
        return cls(commit_of(commit), image, datetime.now(UTC).replace(microsecond=0))

    @classmethod
    def from_wire(cls, document: Any) -> "Manifest":
        """Return the manifest that was read; OperatorError if it is malformed."""
        match document:
            case {
                "v": 1,
                "commit": str(commit),
                "image": {"repository_url": str(repository_url), "digest": str(digest)},
                "createdAt": str(created_at),
            }:
                try:
                    moment = datetime.strptime(created_at, _TIME).replace(tzinfo=UTC)
                except ValueError:
                    raise OperatorError(
                        f"The manifest's createdAt {created_at!r} is no time.", "It must be like 2026-11-26T15:00:00Z."
                    ) from None
                return cls(commit_of(commit), Image(repository_url, digest), moment)
        raise OperatorError(
            "This is not a release's manifest.",
            'It must be {"v":1,"commit","image":{"repository_url","digest"},"createdAt"}.',
        )

    @classmethod
    def from_json(cls, text: str | bytes) -> "Manifest":
        """The manifest in a file; OperatorError unless it is one."""
        try:
            document = json.loads(text)
        except ValueError:
            document = None
        return cls.from_wire(document)

    def to_wire(self) -> dict[str, Any]:
        """The manifest as it is written."""
        return {
            "v": _VERSION,
            "commit": self.commit,
            "image": asdict(self.image),
            "createdAt": self.created_at.strftime(_TIME),
        }

    def to_json(self) -> str:
        """The manifest as a file."""
        return f"{json.dumps(self.to_wire(), indent=2)}\n"


def commit_of(text: str) -> str:
    """The text, if it is a whole commit; OperatorError otherwise."""
    if _COMMIT.fullmatch(text) is None:
        raise OperatorError(f"{text!r} is not a commit.", "It must be all 40 lowercase hexadecimal digits of it.")
    return text
