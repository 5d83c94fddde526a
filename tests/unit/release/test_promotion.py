"""The release that a rollback leads to, and the ones that a promotion must not lead back to."""

from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tools.errors import OperatorError
from tools.release import promotion
from tools.release.environment import Environment
from tools.release.manifest import Image, Manifest
from tools.release.plan import PlanSummary
from tools.release.promotion import Promotion, returned_to
from tools.release.store import Action, HistoryEntry
from tools.stack.project import Project

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
def test_a_rollback_leads_to_what_was_well(live: list[Manifest], target: Manifest, *, begun: bool) -> None:
    """Given twice, it never leads to the release that it is to leave."""
    assert returned_to(NOW, BEFORE, {manifest.image.digest for manifest in live}, begun=begun) is target


def test_the_first_release_has_nothing_before_it() -> None:
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


def promotion_of(history: Past, monkeypatch: pytest.MonkeyPatch, environment: str = "dev", **more: Any) -> Promotion:
    """The hub of an environment with this history; AWS must not be asked."""
    monkeypatch.setattr(Promotion, "history", history)
    project = Project.of_this_code()
    known = replace(Environment.of(project, "dev"), name=environment)
    return Promotion(project, known, cast("Any", None), cast("Any", None), Path(), **more)


@pytest.mark.parametrize(
    ("environment", "past", "asked"),
    [
        pytest.param("dev", Past(NOW, NOW.commit), [(NEXT.commit, NOW.commit)], id="after what runs"),
        pytest.param("dev", Past(BEFORE, NOW.commit), [(NEXT.commit, NOW.commit)], id="after a rollback"),
        pytest.param("dev", Past(NEXT, "f" * 40), [], id="what runs, again"),
        pytest.param("dev", Past(), [], id="the first one"),
        pytest.param("local", Past(NOW, NOW.commit), [], id="commits of a local stack need not exist"),
    ],
)
def test_a_promotion_asks_whether_its_commit_is_older_than_what_was_applied(
    monkeypatch: pytest.MonkeyPatch, environment: str, past: Past, asked: list[tuple[str, str]]
) -> None:
    """A rollback and a failed promotion leave newer Terraform sources than those of the release that runs."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(promotion, "require_no_older", lambda _, commit, applied: found.append((commit, applied)))
    promotion_of(past, monkeypatch, environment).require_no_older(NEXT)
    assert found == asked


def test_a_release_may_follow_a_commit_that_a_rewrite_of_main_has_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    """If the operator names it; another one that was applied meanwhile is refused as before."""
    past = Past(NOW, NOW.commit)
    promotion_of(past, monkeypatch, replaces=frozenset({NOW.commit})).require_no_older(NEXT)
    with pytest.raises(OperatorError, match="does not come after"):
        promotion_of(past, monkeypatch, replaces=frozenset({BEFORE.commit})).require_no_older(NEXT)


@dataclass
class Aliases:
    """Stands for the traffic of `session_api`: the variables of what runs, and of the version that is returned to."""

    running: dict[str, dict[str, str]]
    earlier: dict[str, dict[str, str]]

    def variables(self, digest: str | None = None) -> dict[str, dict[str, str]]:
        """See `Traffic`."""
        return self.running if digest is None else self.earlier


NEW_KEYS, OLD_KEYS, NO_KEYS = {"SPREAD_SESSIONS": "true"}, {"SPREAD_SESSIONS": "false"}, {"SESSION_AUTH": "iam"}


@pytest.mark.parametrize(
    ("running", "earlier", "refused"),
    [
        pytest.param({"a:2": NEW_KEYS}, {"a:1": NO_KEYS}, True, id="it does not know the keys that sessions have"),
        pytest.param({"a:2": NEW_KEYS}, {"a:1": OLD_KEYS}, False, id="it knows them"),
        pytest.param({"a:2": OLD_KEYS}, {"a:1": NO_KEYS}, False, id="no session has new keys"),
        pytest.param({"a:2": NO_KEYS}, {"a:1": NO_KEYS}, False, id="a promotion that was taken back is undone"),
        pytest.param({"a:1": NO_KEYS, "a:2": NEW_KEYS}, {"a:1": NO_KEYS}, False, id="a killed shift is undone"),
        pytest.param({"a:2": NEW_KEYS}, {}, False, id="the function is younger and stays"),
    ],
)
def test_a_rollback_is_refused_behind_the_keys_of_todays_sessions(
    monkeypatch: pytest.MonkeyPatch, running: dict[str, Any], earlier: dict[str, Any], *, refused: bool
) -> None:
    """Nobody could connect; the sentence says what to do first."""
    monkeypatch.setattr(promotion, "Traffic", lambda *_: Aliases(running, earlier))
    cloud = SimpleNamespace(client=lambda _service: None)
    hub = replace(promotion_of(Past(NOW, NOW.commit), monkeypatch), cloud=cast("Any", cloud))
    outputs = {"functions": {"session_api": "a"}}
    if not refused:
        hub._require_known_sessions(outputs, BEFORE)
        return
    with pytest.raises(OperatorError, match="nobody could connect") as told:
        hub._require_known_sessions(outputs, BEFORE)
    assert "former_release = true" in told.value.remedy
    assert "LOSE_SESSIONS=true" in told.value.remedy


def test_a_plan_that_is_refused_is_not_left_to_be_applied(monkeypatch: pytest.MonkeyPatch) -> None:
    """The version that a rollback would return to is asked, too."""
    monkeypatch.setattr(Promotion, "workspace", workspace := SimpleNamespace(outputs=dict, discarded=0))
    monkeypatch.setattr(workspace, "discard", lambda: setattr(workspace, "discarded", workspace.discarded + 1), False)
    monkeypatch.setattr(Promotion, "traffic", lambda *_: Aliases({"query:2": {}}, {"query:1": {"URLS": "a/shard-1"}}))
    change = {"actions": ["delete"], "before": {"name": "shard-1"}}
    gone = {"type": "aws_sqs_queue", "address": "aws_sqs_queue.work", "change": change}
    hub = promotion_of(Past(NOW, NOW.commit), monkeypatch)
    with pytest.raises(OperatorError, match="destroys shard-1, which query:1 works with"):
        hub._require_no_loss(PlanSummary.of({"resource_changes": [gone]}), allowed=True)
    assert workspace.discarded == 1
