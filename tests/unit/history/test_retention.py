"""Times for which heads and summaries are kept."""

from loudhailer.broadcast.model import SUMMARY_KEPT_SECONDS
from loudhailer.history.model import HEAD_KEPT_SECONDS, TTL_DELAY_SECONDS


def test_no_summary_without_an_offset_outlives_the_head_that_has_its_id() -> None:
    """Otherwise the same request would be appended to a new head, and have two offsets."""
    assert HEAD_KEPT_SECONDS > SUMMARY_KEPT_SECONDS + TTL_DELAY_SECONDS
