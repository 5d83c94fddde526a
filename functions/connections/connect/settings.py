"""The variables of `connect`."""

from dataclasses import dataclass

from loudhailer.settings import Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that `connect` writes, and the endpoint that looks connections up.

    Attributes:
        session_share: largest share of its tenant's attempts in a minute that a session may use.
    """

    connections_table: TableName
    sessions_table: TableName
    devices_table: TableName
    limits_table: TableName
    callback_endpoint: Url
    session_share: Share
