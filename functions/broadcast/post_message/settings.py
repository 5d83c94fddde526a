"""The variables of `post_message`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, Shares, TableName, Url, Urls, decimal, integer, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The cell's API, the queue of outcomes, its lane, and a subscriber's role in the cell.

    Attributes:
        lane_kind: the kind of its lane, see `loudhailer.delivery.lending`.
        left_queue_urls: queues for the remaining connections of a chunk; None: the queue that the chunk came from.
        lane_posts_per_second: the lane's rate while all kinds are posting.
        lane_bucket: posts that the lane may send at once; 0: those of 50 ms at its rate.
        lane_shares: the share of the rate that each kind has.
        lanes_table: the table in which each kind marks that it is posting.
    """

    callback_endpoint: Url
    outcome_queue_url: Url
    dead_letter_queue_url: Url
    lane_kind: Annotated[str, matching(r"[a-z]{1,32}", "1 to 32 lowercase letters")]
    lane_posts_per_second: Annotated[float, decimal(0.1, 1_000_000)]
    lane_shares: Shares
    lanes_table: TableName
    left_queue_urls: Urls | None = None
    lane_bucket: Annotated[int, integer(0, 1_000_000)] = 0
    assume_role_arn: Arn | None = None
    external_id: Annotated[str, matching(r"[\w+=,.@:/-]{2,1224}", "an external id")] | None = None
