"""Records of releases: a manifest for each commit, and a history of releases for each stack."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from tools.errors import OperatorError
from tools.release.manifest import Manifest, commit_of

if TYPE_CHECKING:
    from mypy_boto3_s3.client import S3Client

_VERSION = 1
_MISSING = {"NoSuchKey", "404"}
_TAKEN = {"PreconditionFailed", "ConditionalRequestConflict"}


def _asked[T](bucket: str, call: Callable[..., T], **arguments: Any) -> T:
    """Make a call on a bucket; OperatorError if the bucket does not exist."""
    try:
        return call(Bucket=bucket, **arguments)
    except ClientError as error:
        if error.response["Error"]["Code"] != "NoSuchBucket":
            raise
        raise OperatorError(
            f"There is no bucket {bucket}, so nothing can have been released from it.",
            "Apply the stack `registry` first. A stack made by `loudhailer up` runs this checkout: it has no releases.",
        ) from None


class Action(StrEnum):
    """Event in the life of a release on a stack."""

    BEGUN = "begun"
    PROMOTED = "promoted"
    ROLLED_BACK = "rolled back"


@dataclass(frozen=True)
class HistoryEntry:
    """One line of a history.

    Attributes:
        sources: the commit whose Terraform sources were applied: a rollback keeps those of the release that it undoes.
    """

    action: Action
    manifest: Manifest
    sources: str
    recorded_at: str

    def to_wire(self) -> dict[str, Any]:
        """The entry as it is written."""
        return {
            "action": self.action,
            "manifest": self.manifest.to_wire(),
            "sources": self.sources,
            "recordedAt": self.recorded_at,
        }

    @classmethod
    def from_wire(cls, document: dict[str, Any]) -> "HistoryEntry":
        """An entry that was read."""
        return cls(
            action=Action(document["action"]),
            manifest=Manifest.from_wire(document["manifest"]),
            sources=document["sources"],
            recorded_at=document["recordedAt"],
        )


@dataclass(frozen=True)
class _Record:
    """A history as it was read, and its revision; without one it is new.

    `begun` has a place of its own: earlier releases of this command read the entries alone, and know no such action.
    """

    entries: list[HistoryEntry] = field(default_factory=list)
    begun: HistoryEntry | None = None
    revision: str | None = None


def _entry(action: Action, manifest: Manifest, sources: str) -> HistoryEntry:
    return HistoryEntry(action, manifest, sources, datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"))


@dataclass(frozen=True)
class Manifests:
    """The manifests, `releases/<commit>.json` of one bucket. A manifest is written once."""

    client: "S3Client"
    bucket: str

    def put(self, manifest: Manifest) -> None:
        """Write a manifest; OperatorError if the commit has another one: it was built once, and that is released.

        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html
        """
        try:
            _asked(
                self.bucket,
                self.client.put_object,
                Key=self._key(manifest.commit),
                Body=manifest.to_json(),
                ContentType="application/json",
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            if self.get(manifest.commit).image != manifest.image:
                raise OperatorError(
                    f"Commit {manifest.commit} has been released with another image.",
                    "A commit is built once. Release a new commit.",
                ) from None

    def get(self, commit: str) -> Manifest:
        """The manifest of a commit; OperatorError if there is none."""
        try:
            body = _asked(self.bucket, self.client.get_object, Key=self._key(commit_of(commit)))["Body"].read()
        except ClientError as error:
            # Without permission to list a bucket of another account, a missing object is answered AccessDenied.
            if error.response["Error"]["Code"] not in {*_MISSING, "AccessDenied"}:
                raise
            raise OperatorError(
                f"Commit {commit} has not been released, as far as this account may know.",
                "The workflow `release` does that for commits of main; the stack `registry` lets accounts read it.",
            ) from None
        return Manifest.from_json(body)

    def _key(self, commit: str) -> str:
        return f"releases/{commit}.json"


@dataclass(frozen=True)
class History:
    """Releases of a stack, oldest first: `history/<stack>.json` in the bucket of its account's state.

    Beside them it has the promotion that was begun and has not ended: its Terraform sources may be applied already.
    """

    client: "S3Client"
    bucket: str
    stack: str

    def entries(self) -> list[HistoryEntry]:
        """Return the releases that were promoted or rolled back to."""
        return self._read().entries

    def all(self) -> list[HistoryEntry]:
        """Return the entries, and behind them the promotion that was begun and has not ended, if there is one."""
        read = self._read()
        return [*read.entries, *([read.begun] if read.begun else [])]

    def current(self) -> HistoryEntry | None:
        """Return the release that was promoted, or rolled back to, last; None without one."""
        entries = self.entries()
        return entries[-1] if entries else None

    def begun(self) -> HistoryEntry | None:
        """Return the promotion that was begun and has not ended: under way, failed or killed; None without one."""
        return self._read().begun

    def sources(self) -> str:
        """Return the commit whose Terraform sources were applied last, if only in part; empty without one."""
        return ([entry.sources for entry in self.all()] or [""])[-1]

    def previous(self) -> Manifest | None:
        """The release before the current one, though not one that was rolled back from; None if there is none."""
        trail: list[Manifest] = []
        for entry in self.entries():
            if entry.action is Action.ROLLED_BACK:
                while trail and trail[-1].image != entry.manifest.image:
                    trail.pop()
            if not trail or trail[-1].image != entry.manifest.image:
                trail.append(entry.manifest)
        return trail[-2] if len(trail) > 1 else None

    def revision(self) -> str | None:
        """Return the revision of the history as it is now; None before its first line."""
        return self._read().revision

    def begin(self, manifest: Manifest, sources: str, revision: str | None) -> None:
        """Write down that a release is about to be applied; OperatorError after a write of another command."""
        read = replace(self._read(), revision=revision)
        self._write(replace(read, begun=_entry(Action.BEGUN, manifest, sources)))

    def append(self, action: Action, manifest: Manifest, sources: str) -> None:
        """Write down that a release runs now; OperatorError if another command wrote at the same time."""
        read = self._read()
        self._write(replace(read, entries=[*read.entries, _entry(action, manifest, sources)], begun=None))

    def _write(self, record: _Record) -> None:
        document: dict[str, Any] = {"v": _VERSION, "entries": [each.to_wire() for each in record.entries]}
        if record.begun is not None:
            document["begun"] = record.begun.to_wire()
        unchanged: Any = {"IfNoneMatch": "*"} if record.revision is None else {"IfMatch": record.revision}
        try:
            _asked(
                self.bucket,
                self.client.put_object,
                Key=self._key,
                Body=f"{json.dumps(document, indent=2)}\n",
                ContentType="application/json",
                **unchanged,
            )
        except ClientError as error:
            if error.response["Error"]["Code"] not in _TAKEN:
                raise
            raise OperatorError(
                f"Another release of the stack {self.stack} was written down at the same moment.",
                "See `loudhailer release history`, and release again if yours is not the last one.",
            ) from None

    @property
    def _key(self) -> str:
        return f"history/{self.stack}.json"

    def _read(self) -> _Record:
        try:
            found = _asked(self.bucket, self.client.get_object, Key=self._key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return _Record()
        document = json.loads(found["Body"].read())
        if document.get("v") != _VERSION:
            raise OperatorError(f"The history of the stack {self.stack} is of another version of this command.")
        begun = document.get("begun")
        return _Record(
            [HistoryEntry.from_wire(entry) for entry in document["entries"]],
            HistoryEntry.from_wire(begun) if begun else None,
            found["ETag"],
        )
