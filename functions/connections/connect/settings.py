"""The variables of `connect`."""

from dataclasses import dataclass

from loudhailer.settings import Flag, Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that `connect` writes, and where connections are looked up.

    Attributes:
        session_share: the most that one session gets of its tenant's minute.
        spread_sessions: new sessions are spread over keys, which functions of a former release do not know.
    """

    connections_table: TableName
    sessions_table: TableName
    devices_table: TableName
    limits_table: TableName
    callback_endpoint: Url
    session_share: Share
    spread_sessions: Flag
