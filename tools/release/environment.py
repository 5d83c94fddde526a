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
_PREFIX = re.compile("(?!aws|ssm)[a-z][a-z0-9-]{1,30}")
"""The legal prefixes. SSM refuses a parameter whose name begins with `aws` or `ssm`.

https://docs.aws.amazon.com/systems-manager/latest/userguide/sysman-paramstore-su-create.html
"""

_PREFIX_FORM = "2 to 31 lowercase letters, digits and dashes, beginning with a letter, and not with aws or ssm"


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
        hub = _Fields(folder / name / "hub.tfvars", _read(folder / name / "hub.tfvars"))
        account_id, region = hub.account(), hub.region()
        prefix = hub.prefix() if hub.values.get("prefix") else f"loudhailer-{name}"
        cells = _map(folder / name / "cells.tfvars.json", _cell)
        subscribers = _map(folder / name / "subscribers.tfvars.json", _subscriber)
        if both := {cell.name for cell in cells} & {subscriber.name for subscriber in subscribers}:
            raise OperatorError(
                f"{name} has a cell and a subscriber of the name {min(both)!r}.",
                "Rename one of them: a release names plans by them.",
            )
        return cls(
            name=name,
            account_id=account_id,
            region=region,
            prefix=prefix,
            images=_images(folder / name / "registry.tfvars") or {"account_id": account_id, "prefix": prefix},
            cells=cells,
            subscribers=subscribers,
            auth=hub.entry("auth").values if "auth" in hub.values else {},
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


@dataclass(frozen=True)
class _Fields:
    """The fields of a file, or of an entry in it; OperatorError, with the file and the field, for an illegal one."""

    path: Path
    values: dict[str, Any]
    place: str = ""

    def account(self) -> str:
        return self._matching("account_id", _ACCOUNT, "an account's id, 12 digits in quotes")

    def region(self) -> str:
        return self._matching("region", _REGION, "a Region, such as eu-central-1")

    def prefix(self) -> str:
        return self._matching("prefix", _PREFIX, _PREFIX_FORM)

    def numbers(self, name: str) -> tuple[int, ...]:
        found = self._field(name, "a list of numbers")
        if not isinstance(found, list) or any(type(number) is not int or number < 0 for number in found):
            raise self._refusal(name, found, "a list of numbers")
        return tuple(found)

    def entry(self, name: str) -> "_Fields":
        found = self._field(name, "a map")
        if not isinstance(found, dict):
            raise self._refusal(name, found, "a map")
        return _Fields(self.path, found, f"{self.place}{name}.")

    def _matching(self, name: str, pattern: re.Pattern[str], form: str) -> str:
        found = self._field(name, form)
        if not isinstance(found, str) or pattern.fullmatch(found) is None:
            raise self._refusal(name, found, form)
        return found

    def _field(self, name: str, form: str) -> Any:
        if name not in self.values:
            raise OperatorError(f"{self.path} has no {self.place}{name}.", f"It must be {form}.")
        return self.values[name]

    def _refusal(self, name: str, found: object, form: str) -> OperatorError:
        return OperatorError(f"{self.path} has an illegal {self.place}{name}: {found!r}.", f"It must be {form}.")


def _map[Account](path: Path, read: Callable[[str, _Fields], Account]) -> tuple[Account, ...]:
    """The accounts of a map of Terraform's, none without the file; OperatorError, with the field, if it is illegal."""
    if not path.exists():
        return ()
    try:
        document = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise OperatorError(f"{path} is no JSON: {error}.") from error
    if not isinstance(document, dict):
        raise OperatorError(f"{path} is no JSON object.")
    named = _Fields(path, document).entry(path.name.partition(".")[0])
    return tuple(read(name, named.entry(name)) for name in named.values)


def _cell(name: str, fields: _Fields) -> Cell:
    return Cell(name, fields.account(), fields.region())


def _subscriber(name: str, fields: _Fields) -> Subscriber:
    return Subscriber(name, fields.account(), fields.numbers("shards"))


def _images(path: Path) -> dict[str, str] | None:
    """The account that keeps the images, and their names, by the file of the stack `registry`; None without it."""
    if not path.exists():
        return None
    images = _Fields(path, _read(path)).entry("images")
    images.account()
    images.prefix()
    return images.values


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
