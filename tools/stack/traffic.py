"""Version of a function that the alias `live` leads to, and its moves from one to the next.

Terraform publishes a version whenever code or configuration has changed; everything invokes the alias. A shift gives
the newest version a share of the invocations, and ends with all of them, or with none:
https://docs.aws.amazon.com/lambda/latest/dg/configuring-alias-routing.html
"""

import json
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from tools.errors import OperatorError

if TYPE_CHECKING:
    from mypy_boto3_lambda.client import LambdaClient

ALIAS = "live"

_POLL_SECONDS = 2.0
_WARMING_SECONDS = 900.0
_AT_ONCE = 10

_NOTHING = json.dumps({"Records": []}).encode()
"""An event that is no work for any function. A version that is inactive refuses it anyway."""


@dataclass(frozen=True)
class Shift:
    """A function whose newest version is not the one that its alias leads to."""

    function: str
    stable: str
    newest: str


@dataclass(frozen=True)
class Traffic:
    """The aliases of functions, each called by its name in AWS."""

    client: "LambdaClient"
    functions: Iterable[str]

    def pending(self) -> list[Shift]:
        """The functions that have a version which the alias does not lead to yet."""
        shifts = [Shift(name, self._live(name), self._versions(name)[0]) for name in self.functions]
        return [shift for shift in shifts if shift.stable != shift.newest]

    def wake(self) -> list[str]:
        """Wake the functions whose alias leads to a version that sleeps, and wait for them; the names of those.

        Lambda takes the image of a version away that nobody has invoked for weeks. The first invocation is refused, and
        has the image brought back: a client's frame should not be that one.
        https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html
        """
        functions = [*self.functions]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            woken = pool.map(lambda name: self._woken(name, self._live(name)), functions)
            return [name for name, was_asleep in zip(functions, woken, strict=True) if was_asleep]

    def weigh(self, shifts: Iterable[Shift], weight: float) -> None:
        """Lead this share of the invocations, above 0 and below 1, to the newest versions."""
        for shift in shifts:
            self._point(shift.function, shift.stable, {shift.newest: weight})

    def finish(self, shifts: Iterable[Shift]) -> None:
        """Lead all invocations to the newest versions, and wait until what is kept warm is warm."""
        moved = [shift.function for shift in shifts]
        for shift in shifts:
            self._point(shift.function, shift.newest)
        for function in moved:
            self._await_warmth(function)

    def take_back(self, shifts: Iterable[Shift]) -> None:
        """Lead all invocations to the versions that they went to before."""
        for shift in shifts:
            self._point(shift.function, shift.stable)

    def unfinished(self) -> list[str]:
        """The functions whose alias still has weights: a shift was begun and nobody ended it."""
        return [name for name in self.functions if self._weights(name)]

    def return_to(self, digest: str) -> dict[str, str]:
        """Lead each alias to a version that runs this image; the versions, by function.

        An alias that leads to one already keeps it. The others lead to the first version of the image, which its own
        release has published: later ones may be of a rollback that never ended. A function that never ran the image,
        because it is younger, keeps what it has. OperatorError if no function ever did.
        """
        functions = [*self.functions]
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            versions = pool.map(lambda name: self._returned_to(name, digest), functions)
            found = {name: version for name, version in zip(functions, versions, strict=True) if version is not None}
        if not found:
            raise OperatorError(
                f"No function has a version that runs {digest}.", "Promote the release that has it instead."
            )
        asleep = {name for name, version in found.items() if self._state(name, version) != "Active"}
        for name in found.keys() - asleep:
            self._point(name, found[name])
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            [*pool.map(lambda name: self._woken_and_live(name, found[name]), asleep)]
        return found

    def images(self) -> dict[str, str]:
        """The digest of the image that each function's alias leads to; what runs a zip is left out."""
        digests = {name: self._digest(name, self._live(name)) for name in self.functions}
        return {name: digest for name, digest in digests.items() if digest is not None}

    def variables(self, digest: str | None = None) -> dict[str, dict[str, str]]:
        """Variables of the versions that invocations are led to, by `<function>:<version>`.

        With the digest of an image: the variables of its first versions, to which a rollback would lead.
        """
        found: dict[str, dict[str, str]] = {}
        for name in self.functions:
            versions = {self._live(name), *self._weights(name)} if digest is None else {self._version_of(name, digest)}
            for version in sorted(version for version in versions if version is not None):
                settings = self.client.get_function_configuration(FunctionName=name, Qualifier=version)
                found[f"{name}:{version}"] = dict(settings.get("Environment", {}).get("Variables", {}))
        return found

    def _live(self, function: str) -> str:
        return self.client.get_alias(FunctionName=function, Name=ALIAS)["FunctionVersion"]

    def _weights(self, function: str) -> dict[str, float]:
        alias = self.client.get_alias(FunctionName=function, Name=ALIAS)
        return dict(alias.get("RoutingConfig", {}).get("AdditionalVersionWeights", {}))

    def _versions(self, function: str) -> list[str]:
        """The published versions, the newest first."""
        pages = self.client.get_paginator("list_versions_by_function").paginate(FunctionName=function)
        numbers = [version["Version"] for page in pages for version in page["Versions"]]
        return sorted((number for number in numbers if number != "$LATEST"), key=int, reverse=True)

    def _version_of(self, function: str, digest: str) -> str | None:
        """Return the first version that was published with the image."""
        oldest_first = reversed(self._versions(function))
        return next((version for version in oldest_first if self._digest(function, version) == digest), None)

    def _returned_to(self, function: str, digest: str) -> str | None:
        live = self._live(function)
        return live if self._digest(function, live) == digest else self._version_of(function, digest)

    def _digest(self, function: str, version: str) -> str | None:
        image = self.client.get_function(FunctionName=function, Qualifier=version)["Code"].get("ImageUri", "")
        return image.partition("@")[2] or None

    def _point(self, function: str, version: str, weights: dict[str, float] | None = None) -> None:
        self.client.update_alias(
            FunctionName=function,
            Name=ALIAS,
            FunctionVersion=version,
            RoutingConfig={"AdditionalVersionWeights": weights or {}},
        )

    def _woken_and_live(self, function: str, version: str) -> None:
        self._woken(function, version)
        self._point(function, version)

    def _woken(self, function: str, version: str) -> bool:
        """Wait until a version can be invoked; whether it had to be woken."""
        asleep, deadline = False, time.monotonic() + _WARMING_SECONDS
        while (state := self._state(function, version)) != "Active":
            if state == "Inactive" and not asleep:
                asleep = True
                with suppress(ClientError):
                    self.client.invoke(FunctionName=function, Qualifier=version, Payload=_NOTHING)
            elif state == "Failed" or time.monotonic() > deadline:
                raise OperatorError(
                    f"Version {version} of {function} cannot be invoked: its state is {state}.",
                    "See its StateReason: `aws lambda get-function-configuration`.",
                )
            time.sleep(_POLL_SECONDS)
        return asleep

    def _state(self, function: str, version: str) -> str:
        return self.client.get_function_configuration(FunctionName=function, Qualifier=version).get("State", "Active")

    def _await_warmth(self, function: str) -> None:
        """AWS moves provisioned concurrency to the version that the alias now leads to, which takes minutes.

        https://docs.aws.amazon.com/lambda/latest/api/API_GetProvisionedConcurrencyConfig.html
        """
        deadline = time.monotonic() + _WARMING_SECONDS
        while True:
            try:
                warm = self.client.get_provisioned_concurrency_config(FunctionName=function, Qualifier=ALIAS)
            except self.client.exceptions.ProvisionedConcurrencyConfigNotFoundException:
                return
            if warm["Status"] == "READY":
                return
            if warm["Status"] == "FAILED" or time.monotonic() > deadline:
                raise OperatorError(
                    f"{function} has no warm environments: {warm.get('StatusReason', warm['Status'])}.",
                    "Look at its log: a version whose start fails cannot be kept warm.",
                )
            time.sleep(_POLL_SECONDS)
