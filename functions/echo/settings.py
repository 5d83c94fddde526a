"""The variables of `echo`."""

from dataclasses import dataclass

from loudhailer.settings import Arn, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where sessions and limits are kept, as whom they are reached, the queue, where to post, where poison goes."""

    sessions_table: TableName
    limits_table: TableName
    tenant_role_arn: Arn
    queue_url: Url
    callback_endpoint: Url
    dead_letter_queue_url: Url
