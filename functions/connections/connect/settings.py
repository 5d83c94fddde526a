"""The variables of `connect`."""

from dataclasses import dataclass

from loudhailer.settings import Flag, Share, TableName, Url


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The tables that `connect` writes, and the endpoint that looks connections up.

    Attributes:
        session_share: largest share of its tenant's attempts in a minute that a session may use.
        spread_sessions: spread new sessions over several keys, which functions of a former release do not know.
    """

    connections_table: TableName
    sessions_table: TableName
    devices_table: TableName
    limits_table: TableName
    callback_endpoint: Url
    session_share: Share
    spread_sessions: Flag
