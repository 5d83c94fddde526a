"""The variables of `publish`."""

from dataclasses import dataclass
from typing import Annotated

from loudhailer.settings import Arn, TableName, integer


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Where tenants and broadcasts are kept, where broadcasts go, and how long their messages live."""

    tenants_table: TableName
    broadcasts_table: TableName
    broadcast_topic_arn: Arn
    message_lifetime_seconds: Annotated[int, integer(10, 3600)]
