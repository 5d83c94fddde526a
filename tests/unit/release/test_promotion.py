"""The release that a rollback leads to, and the ones that a promotion must not lead back to."""

import asyncio
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.errors import OperatorError
from tools.release import promotion
from tools.release.environment import Cell, Environment, Subscriber
from tools.release.manifest import Image, Manifest
from tools.release.plan import PlanSummary
from tools.release.promotion import Promotion, returned_to
from tools.release.shift import Steps
from tools.release.store import Action, HistoryEntry
from tools.release.workspace import Workspace
from tools.stack.project import Project

DESCRIBED: dict[str, Any] = {
    "weights": {"hub": 1, "north": 1},
    "placement": {"home_connections": 20_000, "lease_seconds": 15},
}
"""The hub's description of a further cell, as far as the checks of health read it."""

REPOSITORY = "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
BEFORE, NOW, NEXT = (Manifest.now(f"{number:040x}", Image(REPOSITORY, f"sha256:{number:064x}")) for number in (1, 2, 3))


@pytest.mark.parametrize(
    ("live", "begun", "target"),
    [
        pytest.param([NOW], False, BEFORE, id="a release that runs is left"),
        pytest.param([NOW], True, NOW, id="a promotion that was taken back is undone"),
        pytest.param([NEXT], False, NOW, id="a promotion that was never written down is undone"),
        pytest.param([NOW, NEXT], True, NOW, id="a promotion that ended half-way is undone"),
        pytest.param([BEFORE], True, BEFORE, id="a rollback that moved the traffic alone is brought to its end"),
        pytest.param([BEFORE, NOW], True, BEFORE, id="a rollback that ended half-way is brought to its end"),
    ],
)
def test_a_rollback_returns_to_the_last_healthy_release(live: list[Manifest], target: Manifest, *, begun: bool) -> None:
    """Given twice, it never leads to the release that it is to leave."""
    assert returned_to(NOW, BEFORE, {manifest.image.digest for manifest in live}, begun=begun) is target


def test_the_first_release_has_no_rollback_target() -> None:
    """But a second one that failed is undone."""
    with pytest.raises(OperatorError, match="no earlier release"):
        returned_to(NOW, None, {NOW.image.digest}, begun=False)
    assert returned_to(NOW, None, {NOW.image.digest}, begun=True) is NOW


@dataclass
class Past:
    """Stands for the history of a stack.

    Attributes:
        running: the release that runs.
        applied: the commit whose Terraform sources were applied last.
    """

    running: Manifest | None = None
    applied: str = ""

    def current(self) -> HistoryEntry | None:
        """See `History`."""
        if self.running is None:
            return None
        return HistoryEntry(Action.PROMOTED, self.running, self.running.commit, "2026-11-30T12:00:00Z")

    def previous(self) -> Manifest | None:
        """See `History`."""
        return BEFORE if self.running is NOW else None

    def sources(self) -> str:
        """See `History`."""
        return self.applied

    def revision(self) -> None:
        """See `History`."""


def promotion_of(
    history: Past, monkeypatch: pytest.MonkeyPatch, environment: str = "dev", home: Path = Path(), **more: Any
) -> Promotion:
    """The hub of an environment with this history; AWS must not be asked."""
    monkeypatch.setattr(Promotion, "history", history)
    project = Project.of_this_code()
    known = replace(Environment.of(project, "dev"), name=environment)
    return Promotion(project, known, cast("Any", None), cast("Any", None), home, **more)


@pytest.mark.parametrize(
    ("environment", "past", "asked"),
    [
        pytest.param("dev", Past(NOW, NOW.commit), [("next", "now"), ("here", "now")], id="after what runs"),
        pytest.param("dev", Past(BEFORE, NOW.commit), [("next", "before"), ("here", "now")], id="after a rollback"),
        pytest.param("dev", Past(None, NOW.commit), [("here", "now")], id="after a first one that failed"),
        pytest.param("dev", Past(), [], id="the first one"),
        pytest.param("local", Past(NOW, NOW.commit), [], id="commits of a local stack need not exist"),
    ],
)
def test_a_promotion_checks_the_age_of_its_release_and_of_its_sources(
    monkeypatch: pytest.MonkeyPatch, environment: str, past: Past, asked: list[tuple[str, str]]
) -> None:
    """A rollback and a failed promotion leave newer Terraform sources than those of the release that runs."""
    names = {BEFORE.commit: "before", NOW.commit: "now", NEXT.commit: "next", "here": "here"}
    found: list[tuple[str, str]] = []

    def asked_about(_: Path, commit: str, applied: str) -> None:
        found.append((names[commit], names[applied]))

    monkeypatch.setattr(promotion, "require_no_older", asked_about)
    monkeypatch.setattr(promotion, "head", lambda _: "here")
    promotion_of(past, monkeypatch, environment).require_no_older(NEXT)
    assert found == asked


def test_a_release_may_follow_a_commit_removed_by_a_rewrite_of_main(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the operator names it; another one that was applied meanwhile is refused as before."""
    past = Past(NOW, NOW.commit)
    promotion_of(past, monkeypatch, replaces=frozenset({NOW.commit})).require_no_older(NEXT)
    with pytest.raises(OperatorError, match="does not come after"):
        promotion_of(past, monkeypatch, replaces=frozenset({BEFORE.commit})).require_no_older(NEXT)


NEW_KEYS, OLD_KEYS, NO_KEYS = {"SPREAD_SESSIONS": "true"}, {"SPREAD_SESSIONS": "false"}, {"SESSION_AUTH": "iam"}


@dataclass
class SessionApi:
    """Stands for Lambda: the versions of `session_api`, each with its image and its variables.

    Attributes:
        live: the number of the version that the alias leads to.
        weights: the shares of other versions.
    """

    versions: list[tuple[Manifest, dict[str, str]]]
    live: int
    weights: dict[str, float] = field(default_factory=dict)

    def get_alias(self, **_: Any) -> dict[str, Any]:
        """See boto3."""
        return {"FunctionVersion": str(self.live), "RoutingConfig": {"AdditionalVersionWeights": self.weights}}

    def get_paginator(self, _operation: str) -> "SessionApi":
        """See boto3."""
        return self

    def paginate(self, **_: Any) -> list[dict[str, Any]]:
        """See boto3."""
        return [{"Versions": [{"Version": str(number)} for number in range(1, len(self.versions) + 1)]}]

    def get_function(self, **asked: Any) -> dict[str, Any]:
        """See boto3."""
        manifest, _ = self.versions[int(asked["Qualifier"]) - 1]
        return {"Code": {"ImageUri": f"loudhailer@{manifest.image.digest}"}}

    def get_function_configuration(self, **asked: Any) -> dict[str, Any]:
        """See boto3."""
        return {"Environment": {"Variables": self.versions[int(asked["Qualifier"]) - 1][1]}}


@pytest.mark.parametrize(
    ("api", "refused"),
    [
        pytest.param(
            SessionApi([(BEFORE, NO_KEYS), (NOW, NEW_KEYS)], 2), True, id="it does not know the keys of sessions"
        ),
        pytest.param(
            SessionApi([(BEFORE, NO_KEYS), (NOW, NEW_KEYS), (BEFORE, NEW_KEYS), (NEXT, NEW_KEYS)], 4),
            True,
            id="an earlier rollback gave it the variable, which it does not know",
        ),
        pytest.param(
            SessionApi([(BEFORE, NO_KEYS), (NOW, NEW_KEYS), (BEFORE, NEW_KEYS)], 3),
            False,
            id="it runs, and is undone to",
        ),
        pytest.param(SessionApi([(BEFORE, OLD_KEYS), (NOW, NEW_KEYS)], 2), False, id="it knows them"),
        pytest.param(SessionApi([(BEFORE, NO_KEYS), (NOW, OLD_KEYS)], 2), False, id="no session has new keys"),
        pytest.param(
            SessionApi([(BEFORE, NO_KEYS), (NOW, NEW_KEYS)], 1), False, id="a promotion that was taken back is undone"
        ),
        pytest.param(
            SessionApi([(BEFORE, NO_KEYS), (NOW, NEW_KEYS)], 1, {"2": 0.1}), False, id="a killed shift is undone"
        ),
        pytest.param(SessionApi([(NOW, NEW_KEYS)], 1), False, id="the function is younger and stays"),
    ],
)
def test_a_rollback_behind_the_keys_of_todays_sessions_is_refused(
    monkeypatch: pytest.MonkeyPatch, api: SessionApi, *, refused: bool
) -> None:
    """Nobody could connect; the sentence says what to do first."""
    cloud = SimpleNamespace(client=lambda _service: api)
    hub = replace(promotion_of(Past(NOW, NOW.commit), monkeypatch), cloud=cast("Any", cloud))
    outputs = {"functions": {"session_api": "a"}}
    if not refused:
        hub._require_known_sessions(outputs, BEFORE)
        return
    with pytest.raises(OperatorError, match="nobody could connect") as raised:
        hub._require_known_sessions(outputs, BEFORE)
    assert "former_release = true" in raised.value.remedy
    assert "LOSE_SESSIONS=true" in raised.value.remedy


@dataclass
class Aliases:
    """Stands for the traffic: the variables of what runs, and of the versions that a rollback leads to."""

    running: dict[str, dict[str, str]]
    earlier: dict[str, dict[str, str]]

    def variables(self, digest: str | None = None) -> dict[str, dict[str, str]]:
        """See `Traffic`."""
        return self.running if digest is None else self.earlier


@pytest.mark.parametrize(
    ("earlier", "outputs", "user"),
    [
        pytest.param({"query:1": {"URLS": "a/shard-1"}}, {}, "query:1", id="the version before"),
        pytest.param(
            {},
            {"subscribers": {"blue": {"shards": {"x": {"url": "a/shard-1"}}}}},
            "the subscriber blue",
            id="a subscriber",
        ),
        pytest.param({}, {"cells": {"north": {"tables": {"x": "a/shard-1"}}}}, "the cell north", id="a cell"),
    ],
)
def test_a_refused_plan_cannot_be_applied(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, earlier: dict[str, Any], outputs: dict[str, Any], user: str
) -> None:
    """Versions that a rollback would return to are asked, and subscribers; the summary says why it is refused."""
    hub = promotion_of(Past(NOW, NOW.commit), monkeypatch, home=tmp_path)
    monkeypatch.setattr(Workspace, "outputs", lambda _: outputs)
    monkeypatch.setattr(Promotion, "traffic", lambda *_: Aliases({"query:2": {}}, earlier))
    hub.workspace.plan_folder.mkdir(parents=True)
    hub.workspace.plan_file.touch()
    hub.workspace.summary_file.write_text("### hub\n\n1 to destroy.\n")
    change = {"actions": ["delete"], "before": {"name": "shard-1"}}
    gone = {"type": "aws_sqs_queue", "address": "aws_sqs_queue.work", "change": change}
    with pytest.raises(OperatorError, match=f"destroys shard-1, which {user} works with") as refused:
        hub._require_no_loss(PlanSummary.of({"resource_changes": [gone]}), allowed=True)
    assert not hub.workspace.plan_file.exists()
    assert hub.workspace.summary_file.read_text() == f"### hub\n\n**Refused.** {refused.value}\n\n1 to destroy.\n"


@pytest.mark.parametrize(
    ("outputs", "shards"),
    [
        ({"shards": 2, "cells": {"north": DESCRIBED}, "express_recipients": 500}, {0, 1}),
        ({"cells": {}, "express_recipients": 0}, {0, 1, 2}),
        ({}, {0, 1, 2}),
    ],
)
def test_a_shard_that_is_drained_is_not_checked(
    monkeypatch: pytest.MonkeyPatch, outputs: dict[str, Any], shards: set[int]
) -> None:
    """It gets nothing; version 0.2 has no number of shards among its outputs, and drains none."""
    cloud = SimpleNamespace(client=lambda _service: None, sign=None)
    terminal = SimpleNamespace(say=print)
    hub = replace(
        promotion_of(Past(NOW, NOW.commit), monkeypatch), cloud=cast("Any", cloud), terminal=cast("Any", terminal)
    )
    queues = {f"shard-{number}": "url" for number in range(3)}
    broadcast = hub.broadcast({"queue_urls": queues, "http_url": "", "tables": {"tenants": "tenants"}, **outputs})
    assert (broadcast.shards, broadcast.has_cells) == (len(shards), bool(outputs.get("cells")))
    assert broadcast.has_express is (outputs.get("express_recipients") != 0)
    assert set(broadcast.through) == shards


NORTH, BLUE = Cell("north", "666666666666", "eu-central-1"), Subscriber("blue", "555555555555", (6, 7))


@pytest.mark.parametrize(("about", "variable"), [(NORTH, "hub"), (BLUE, "cell")])
def test_the_hubs_description_is_a_variable_of_the_other_stack(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, about: Cell | Subscriber, variable: str
) -> None:
    """It is kept in a file, since the other account may not read the hub's state."""
    other = promotion_of(Past(), monkeypatch, home=tmp_path, about=about)
    assert other.stack == about.kind
    with pytest.raises(OperatorError, match=f"description for the {about.kind} {about.name} is missing") as refused:
        other._variables()
    assert f"{about.kind.upper()}={about.name}" in refused.value.remedy
    monkeypatch.setattr(Promotion, "outputs", lambda _: {f"{about.kind}s": {about.name: {"name": about.name}}})
    promotion_of(Past(), monkeypatch, home=tmp_path).keep_description(about)
    assert not other.waits_for_hub
    assert other._variables() == {variable: {"name": about.name}, "region": "eu-central-1"}


def test_a_cell_that_the_hub_does_not_know_waits_for_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It gets a release before the hub; a subscriber gets it after the hub, and must be known."""
    hub = promotion_of(Past(), monkeypatch, home=tmp_path)
    monkeypatch.setattr(Promotion, "outputs", lambda _: {})
    hub.keep_description(NORTH)
    assert replace(hub, about=NORTH).waits_for_hub
    assert not hub.waits_for_hub
    with pytest.raises(OperatorError, match="does not know blue yet"):
        hub.keep_description(BLUE)
    with pytest.raises(OperatorError, match="does not know north yet"):
        hub.cell_in_hub(NORTH, {})


@pytest.fixture
def lost(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Promotion:
    """A cell that runs a release, and that the hub lists no longer."""
    hub = promotion_of(Past(NOW, NOW.commit), monkeypatch, home=tmp_path)
    monkeypatch.setattr(Promotion, "outputs", lambda _: {"cells": {"south": {}}})
    hub.keep_description(NORTH)
    return replace(hub, about=NORTH, cloud=cast("Any", SimpleNamespace(require=lambda _: None)))


def test_a_cell_that_the_hub_has_lost_has_drifted(lost: Promotion) -> None:
    """Terraform would say only that its variable is null."""
    (line,) = lost.drift(NOW)
    assert line.startswith("the hub no longer lists this cell")
    assert "Promote the hub" in line


def test_a_cell_that_the_hub_has_lost_is_not_rolled_back(lost: Promotion) -> None:
    """Its traffic would be back, and its configuration not; the stand-in of its account refuses every call."""
    with pytest.raises(OperatorError, match="no longer lists cell of dev, account 666666666666") as refused:
        asyncio.run(lost.roll_back(Steps((0.1,), 0)))
    assert "take the cell down" in refused.value.remedy


def test_a_cell_is_checked_by_a_broadcast_that_its_account_delivers(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tenant's home is the cell; the express lanes are the hub's."""
    cloud = SimpleNamespace(client=lambda _service: None, sign=None)
    hub = replace(
        promotion_of(Past(), monkeypatch), cloud=cast("Any", cloud), terminal=cast("Any", SimpleNamespace(say=print))
    )
    outputs = {
        "http_url": "",
        "queue_urls": {},
        "tables": {"tenants": "t", "cells": "c"},
        "cells": {"north": DESCRIBED},
    }
    assert hub.cell_in_hub(NORTH, outputs).lease_seconds == 15
    broadcast = hub.broadcast_on(NORTH, outputs)
    assert (broadcast.account, broadcast.cell, broadcast.has_express) == (NORTH.account_id, "north", False)
    assert broadcast.tenant.tenant_id.startswith("synthetic-north-")
    assert hub.broadcast(outputs).tenant.tenant_id.startswith("synthetic-hub-")
    alone = {**DESCRIBED, "weights": {"hub": 0, "north": 1}}
    assert hub.broadcast({**outputs, "cells": {"north": alone}}).tenant.tenant_id == "synthetic"


@dataclass
class Depths:
    """Stands for SQS: the numbers of a queue's messages that wait, are delayed and are being handled."""

    numbers: list[int]

    def get_queue_attributes(self, **asked: Any) -> dict[str, Any]:
        """See boto3."""
        return {"Attributes": dict(zip(asked["AttributeNames"], map(str, self.numbers), strict=True))}


@pytest.mark.parametrize("numbers", [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
def test_a_plan_that_destroys_a_queue_with_messages_is_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, numbers: list[int]
) -> None:
    """Messages that wait, messages that are delayed, and messages that a function has at this moment."""
    cloud = SimpleNamespace(client=lambda _service: Depths(numbers))
    hub = replace(promotion_of(Past(), monkeypatch, home=tmp_path), cloud=cast("Any", cloud))
    monkeypatch.setattr(Workspace, "outputs", lambda _: {})
    monkeypatch.setattr(Promotion, "traffic", lambda *_: Aliases({}, {}))
    hub.workspace.plan_folder.mkdir(parents=True)
    hub.workspace.summary_file.write_text("### hub\n\n1 to destroy.\n")
    change = {"actions": ["delete"], "before": {"name": "shard-1", "url": "a/shard-1"}}
    gone = PlanSummary.of({"resource_changes": [{"type": "aws_sqs_queue", "address": "a", "change": change}]})
    with pytest.raises(OperatorError, match="shard-1, which still has messages"):
        hub._require_no_loss(gone, allowed=True)
    cloud.client = lambda _service: Depths([0, 0, 0])
    hub._require_no_loss(gone, allowed=True)


def test_a_queue_that_has_got_messages_since_the_plan_is_not_destroyed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Hours may pass until a plan is approved; a version that still runs may have sent chunks to a drained shard."""
    cloud = SimpleNamespace(client=lambda _service, *_: Depths([1, 0, 0]), require=lambda _account: None)
    hub = replace(promotion_of(Past(), monkeypatch, "local", home=tmp_path), cloud=cast("Any", cloud))
    workspace = hub.workspace
    workspace.plan_folder.mkdir(parents=True)
    workspace.plan_file.touch()
    workspace.manifest_file.write_text(NEXT.to_json())
    workspace.lost_queues_file.write_text('{"a/shard-1": "shard-1"}')
    monkeypatch.setattr(Promotion, "checked", lambda _, manifest: manifest)
    monkeypatch.setattr(Workspace, "prepare", lambda _: None)
    monkeypatch.setattr(Workspace, "outputs", lambda _: {})
    monkeypatch.setattr(Workspace, "apply", lambda _: pytest.fail("the plan was applied"))
    with pytest.raises(OperatorError, match="destroys shard-1, which still has messages"):
        asyncio.run(hub.apply(None, Steps()))
    assert workspace.plan_file.exists()


def test_a_plan_with_other_queues_counts_as_not_approved(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Otherwise a plan could be applied without a look at the queues that it destroys."""
    workspace = promotion_of(Past(), monkeypatch, home=tmp_path).workspace
    workspace.plan_folder.mkdir(parents=True)
    workspace.plan_file.touch()
    workspace.manifest_file.write_text(NEXT.to_json())
    workspace.lost_queues_file.write_text('{"a/shard-1": "shard-1"}')
    approved = workspace.fingerprint()
    assert workspace.planned(approved) == NEXT
    workspace.lost_queues_file.write_text("{}")
    with pytest.raises(OperatorError, match="not the one that was approved"):
        workspace.planned(approved)
