"""Target of a rollback."""

import pytest

from tools.errors import OperatorError
from tools.release.manifest import Image, Manifest
from tools.release.promotion import returned_to

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
