"""The release that a rollback leads to, and the ones that a promotion must not lead back to."""

from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from tools.errors import OperatorError
from tools.release import promotion
from tools.release.environment import Environment
from tools.release.manifest import Image, Manifest
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


@pytest.mark.parametrize(
    ("environment", "running", "asked"),
    [("dev", NOW, [(NEXT.commit, NOW.commit)]), ("dev", None, []), ("local", NOW, [])],
)
def test_a_promotion_asks_whether_its_commit_is_older_than_the_one_that_runs(
    monkeypatch: pytest.MonkeyPatch, environment: str, running: Manifest | None, asked: list[tuple[str, str]]
) -> None:
    """It asks if a release runs already; on a local stack the commits need not exist."""
    found: list[tuple[str, str]] = []
    monkeypatch.setattr(promotion, "require_no_older", lambda _, commit, running: found.append((commit, running)))

    class History:
        def current(self) -> HistoryEntry | None:
            if running is None:
                return None
            return HistoryEntry(Action.PROMOTED, running, running.commit, "2026-11-30T12:00:00Z")

    monkeypatch.setattr(Promotion, "history", History())
    project = Project.of_this_code()
    known = replace(Environment.of(project, "dev"), name=environment)
    Promotion(project, known, cast("Any", None), cast("Any", None), Path()).require_no_older(NEXT)
    assert found == asked
