"""The variables of `post_message`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, Url, Urls, decimal, matching


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The worker's shards, its cell's API, where outcomes go, its lane's rate, and a subscriber's role in the cell."""

    shard_queue_urls: Urls
    callback_endpoint: Url
    outcome_queue_url: Url
    dead_letter_queue_url: Url
    lane_posts_per_second: Annotated[float, decimal(0.1, 1_000_000)]
    assume_role_arn: Arn | None = None
    external_id: Annotated[str, matching(r"[\w+=,.@:/-]{2,1224}", "an external id")] | None = None
