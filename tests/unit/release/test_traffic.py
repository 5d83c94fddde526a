"""Functions that sleep are woken before anything is led to them."""

from dataclasses import dataclass, field
from typing import Any, cast

import pytest
from botocore.exceptions import ClientError

from tools.errors import OperatorError
from tools.stack import traffic
from tools.stack.traffic import Traffic

DIGEST = f"sha256:{'0' * 64}"


@dataclass
class Lambda:
    """Stands for Lambda: an inactive version refuses an invocation, and is active two looks later.

    Attributes:
        states: the state of each version that is not active.
        done: what was done, in its order.
        weights: the shares that versions get beside the one that the alias leads to.
    """

    states: dict[tuple[str, str], str] = field(default_factory=dict)
    done: list[tuple[str, ...]] = field(default_factory=list)
    looks: int = 0
    weights: dict[str, float] = field(default_factory=dict)

    def get_alias(self, **_: Any) -> dict[str, Any]:
        """See boto3."""
        return {"FunctionVersion": "6", "RoutingConfig": {"AdditionalVersionWeights": self.weights}}

    def get_paginator(self, _operation: str) -> "Lambda":
        """See boto3."""
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """See boto3: the versions of a function."""
        return [{"Versions": [{"Version": version} for version in ("$LATEST", "5", "6")]}]

    def get_function(self, **asked: Any) -> dict[str, Any]:
        """See boto3: version 5 runs the image that a rollback returns to."""
        return {"Code": {"ImageUri": f"loudhailer@{DIGEST}" if asked["Qualifier"] == "5" else "loudhailer@other"}}

    def get_function_configuration(self, **asked: Any) -> dict[str, Any]:
        """See boto3."""
        version = (asked["FunctionName"], asked["Qualifier"])
        state = self.states.get(version, "Active")
        if state == "Pending":
            self.looks += 1
            if self.looks == 2:
                del self.states[version]
        return {"State": state, "Environment": {"Variables": {"VERSION": asked["Qualifier"]}}}

    def invoke(self, **asked: Any) -> None:
        """See boto3."""
        version = (asked["FunctionName"], asked["Qualifier"])
        self.done.append(("invoke", *version))
        assert self.states[version] == "Inactive"
        self.states[version] = "Pending"
        raise ClientError({"Error": {"Code": "ResourceNotReadyException"}}, "Invoke")

    def update_alias(self, **asked: Any) -> None:
        """See boto3."""
        self.done.append(("point", asked["FunctionName"], asked["FunctionVersion"]))


def of(client: Lambda) -> Traffic:
    """The traffic of two functions."""
    return Traffic(cast("Any", client), ["echo", "swarm"])


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    """States change at once."""
    monkeypatch.setattr(traffic, "_POLL_SECONDS", 0)


def test_a_function_idle_for_weeks_is_woken() -> None:
    """The invocation that Lambda refuses is the release's, no client's; who is awake is not invoked."""
    client = Lambda({("echo", "6"): "Inactive"})
    assert of(client).wake() == ["echo"]
    assert client.done == [("invoke", "echo", "6")]
    assert client.states == {}


def test_a_pending_version_is_waited_for() -> None:
    """Nothing has to wake it."""
    client = Lambda({("swarm", "6"): "Pending"})
    assert of(client).wake() == []
    assert (client.done, client.states) == ([], {})


@pytest.mark.parametrize("state", ["Failed", "Inactive", "Pending"])
def test_a_version_that_does_not_wake_is_an_error(state: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It names the version and its state."""
    monkeypatch.setattr(traffic, "_WARMING_SECONDS", -1)
    client = Lambda({("echo", "6"): state})
    monkeypatch.setattr(client, "invoke", lambda **_: None)
    with pytest.raises(OperatorError, match=f"Version 6 of echo cannot be invoked: its state is {state}"):
        of(client).wake()


def test_a_rollback_uses_active_versions() -> None:
    """The version before may have slept since its successor took over."""
    client = Lambda({("echo", "5"): "Inactive"})
    assert of(client).return_to(DIGEST) == {"echo": "5", "swarm": "5"}
    assert client.done == [("point", "swarm", "5"), ("invoke", "echo", "5"), ("point", "echo", "5")]


def test_the_variables_of_every_invoked_version_are_read() -> None:
    """During a shift a function has two; the versions that a rollback returns to are found by their image."""
    client = Lambda(weights={"7": 0.1})
    assert of(client).variables() == {
        f"{name}:{version}": {"VERSION": version} for name in ("echo", "swarm") for version in ("6", "7")
    }
    assert of(client).variables(DIGEST) == {"echo:5": {"VERSION": "5"}, "swarm:5": {"VERSION": "5"}}
    assert of(client).variables("sha256:none") == {}


def test_a_rollback_never_uses_a_version_that_a_failed_rollback_published(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such a version may not start. An alias that leads to the image already stays."""
    client = Lambda()
    newer = {"Versions": [{"Version": version} for version in ("5", "6", "7")]}
    monkeypatch.setattr(client, "paginate", lambda **_: [newer])
    images = {"5": DIGEST, "6": "other", "7": DIGEST}
    monkeypatch.setattr(
        client, "get_function", lambda **asked: {"Code": {"ImageUri": f"loudhailer@{images[asked['Qualifier']]}"}}
    )
    assert of(client).return_to(DIGEST) == {"echo": "5", "swarm": "5"}
    assert of(client).return_to("other") == {"echo": "6", "swarm": "6"}
