"""Facts of an environment in the repository: its accounts, its images, and names that follow.

It is read from the files that Terraform reads, in `terraform/environments/<name>/`, so that no pipeline keeps a copy.
Their parser is imported when it reads: it takes a quarter of a second, and the commands of a local stack need none.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from tools.errors import OperatorError
from tools.release.manifest import Image
from tools.stack.project import Project

_NAME = re.compile("[a-z][a-z0-9-]{1,15}")
_ACCOUNT = re.compile("[0-9]{12}")
_REGION = re.compile("[a-z]{2}(-[a-z]+)+-[0-9]")


@dataclass(frozen=True)
class Subscriber:
    """An account whose `post_message` works for some of the hub's shards."""

    kind: ClassVar = "subscriber"

    name: str
    account_id: str
    shards: tuple[int, ...]


@dataclass(frozen=True)
class Cell:
    """A further cell: an account with an API, tables, queues and functions of its own."""

    kind: ClassVar = "cell"

    name: str
    account_id: str
    region: str


type OtherAccount = Cell | Subscriber
"""Another account of an environment. Its stack is of its kind, and is planned with what the hub says about it."""


@dataclass(frozen=True)
class Environment:
    """An environment as its tfvars describe it.

    Attributes:
        name: dev, staging, production, or `local`.
        account_id: the hub's account.
        region: its Region.
        prefix: the beginning of all names.
        images: account of the images and beginning of its names, as the stack `registry` has them; else the hub's own.
        cells: the further cells in the map that Terraform takes, in its order.
        subscribers: the subscribers likewise.
        auth: who may call the hub's routes, as far as its tfvars say.
    """

    name: str
    account_id: str
    region: str
    prefix: str
    images: dict[str, str]
    cells: tuple[Cell, ...]
    subscribers: tuple[Subscriber, ...]
    auth: dict[str, str]

    @classmethod
    def of(cls, project: Project, name: str) -> "Environment":
        """The environment of that name; OperatorError with the names there are if there is none."""
        folder = project.terraform / "environments"
        known = cls.names(project)
        if _NAME.fullmatch(name) is None or name not in known:
            raise OperatorError(f"There is no environment {name!r}.", f"Choose one of: {', '.join(known)}.")
        hub = _read(folder / name / "hub.tfvars")
        prefix = hub.get("prefix") or f"loudhailer-{name}"
        cells = _map(folder / name / "cells.tfvars.json", "region", _cell)
        subscribers = _map(folder / name / "subscribers.tfvars.json", "shards", _subscriber)
        if both := {cell.name for cell in cells} & {subscriber.name for subscriber in subscribers}:
            raise OperatorError(
                f"{name} has a cell and a subscriber of the name {min(both)!r}.",
                "Rename one of them: a release names plans by them.",
            )
        return cls(
            name=name,
            account_id=hub["account_id"],
            region=hub["region"],
            prefix=prefix,
            images=_images(folder / name / "registry.tfvars") or {"account_id": hub["account_id"], "prefix": prefix},
            cells=cells,
            subscribers=subscribers,
            auth=dict(hub.get("auth", {})),
        )

    @staticmethod
    def names(project: Project) -> list[str]:
        """The existing environments."""
        return sorted(path.parent.name for path in (project.terraform / "environments").glob("*/hub.tfvars"))

    @property
    def repository_url(self) -> str:
        """The one repository that the environment's images come from."""
        repository = self.images.get("repository", "loudhailer")
        return f"{self.images['account_id']}.dkr.ecr.{self.region}.amazonaws.com/{repository}"

    @property
    def releases_bucket(self) -> str:
        """The bucket that keeps the releases' manifests."""
        return f"{self.images['prefix']}-{self.images['account_id']}"

    def state_bucket(self, account_id: str) -> str:
        """The bucket that keeps the state of an account's stacks, and the history of what they ran."""
        return f"{self.prefix}-{account_id}"

    @property
    def release_role_arn(self) -> str:
        """The role that CI takes to push images."""
        return f"arn:aws:iam::{self.images['account_id']}:role/ci/{self.images['prefix']}-release"

    def role_arn(self, purpose: str, account_id: str) -> str:
        """The role that CI takes in an account to `plan` or to `apply`."""
        return f"arn:aws:iam::{account_id}:role/ci/{self.prefix}-{purpose}"

    def require_signatures(self) -> None:
        """OperatorError if the hub's routes take something else than the signature of a release's broadcast."""
        if "jwt" in self.auth.values():
            raise OperatorError(
                f"The routes of {self.name} take tokens, and a release is judged by a broadcast that is signed.",
                'Set auth = { broadcast = "iam", session = "iam" } in its hub.tfvars, or apply with Terraform alone.',
            )

    def accept(self, image: Image) -> None:
        """OperatorError unless the image is of the environment's own repository."""
        if image.repository_url != self.repository_url:
            raise OperatorError(
                f"The manifest is of another repository, {image.repository_url}.",
                f"Images of {self.name} come from {self.repository_url}.",
            )

    def dependents(self, kind: str) -> Sequence[OtherAccount]:
        """The cells, or the subscribers, that a release reaches.

        A cell in another Region is left out: Lambda runs no image of another Region.
        https://docs.aws.amazon.com/lambda/latest/dg/images-create.html
        """
        if kind == Subscriber.kind:
            return self.subscribers
        return [cell for cell in self.cells if cell.region == self.region]

    def dependent(self, kind: str, name: str) -> OtherAccount:
        """The cell or the subscriber of that name; OperatorError with the names there are if there is none."""
        known = self.dependents(kind)
        found = next((each for each in known if each.name == name), None)
        if found is None:
            names = ", ".join(each.name for each in known) or "none"
            raise OperatorError(
                f"{self.name} has no {kind} {name!r} in {self.region}.", f"The {kind}s in its map there: {names}."
            )
        return found


def _map[Account](path: Path, needed: str, read: Callable[[str, dict[str, Any]], Account]) -> tuple[Account, ...]:
    """The accounts of a map of Terraform's, none without the file; OperatorError, with the legal form, for another."""
    kind = path.name.partition(".")[0]
    try:
        named = json.loads(path.read_text())[kind].items() if path.exists() else ()
        return tuple(read(name, each) for name, each in named)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise OperatorError(
            f"{path} is no map of {kind}.",
            f'It must be {{"{kind}": {{"<name>": {{"account_id": "<12 digits>", "external_id", "{needed}"}}}}}}.',
        ) from None


def _cell(name: str, entry: dict[str, Any]) -> Cell:
    return Cell(name, _legal(_ACCOUNT, entry["account_id"]), _legal(_REGION, entry["region"]))


def _subscriber(name: str, entry: dict[str, Any]) -> Subscriber:
    return Subscriber(name, _legal(_ACCOUNT, entry["account_id"]), tuple(entry["shards"]))


def _legal(pattern: re.Pattern[str], text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(text)
    return text


def _images(path: Path) -> dict[str, str] | None:
    return dict(_read(path)["images"]) if path.exists() else None


def _read(path: Path) -> dict[str, Any]:
    import hcl2  # noqa: PLC0415
    from lark.exceptions import LarkError  # noqa: PLC0415

    plain = hcl2.SerializationOptions(strip_string_quotes=True, with_comments=False)
    try:
        values: dict[str, Any] = hcl2.loads(path.read_text(), serialization_options=plain)
    except OSError as error:
        raise OperatorError(f"{path} cannot be read: {error.strerror}.") from error
    except LarkError as error:
        raise OperatorError(f"{path} is not in Terraform's form: {error}.") from error
    return values
