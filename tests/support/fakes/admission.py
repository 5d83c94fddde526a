"""The in-memory twin of the register."""

from dataclasses import replace
from typing import override

from functions.connections.connect.port import Entry, Register
from loudhailer.connections.model import Connection
from tests.support.fakes.connections import MemoryConnectionStore
from tests.support.fakes.sessions import MemorySessionStore


class MemoryRegister(Register):
    """Records connections in two twins at once; `does_nothing` are the entries of attempts before one that works."""

    def __init__(self, connections: MemoryConnectionStore, sessions: MemorySessionStore) -> None:
        self._connections = connections
        self._sessions = sessions
        self.does_nothing: list[Entry] = []

    @override
    def record(self, connection: Connection, *, connections_per_session: int, session_expires_at: int) -> Entry:
        key = (connection.tenant_id, connection.session_id)
        with self._sessions.lock:
            if self.does_nothing:
                return self.does_nothing.pop()
            if recorded := self._connections.rows.get(connection.key):
                same = recorded.session_id == connection.session_id
                return Entry.RECORDED_BEFORE if same else Entry.SESSION_OVER
            session = self._sessions.rows.get(key)
            if session is None or not session.is_live(connection.connected_at):
                return Entry.SESSION_OVER
            if session.player_id != connection.player_id:
                return Entry.SESSION_OVER
            if len(session.connections) >= connections_per_session:
                return Entry.SESSION_FULL
            self._connections.rows[connection.key] = connection
            self._sessions.rows[key] = replace(
                session, expires_at=session_expires_at, connections=session.connections | {connection.key}
            )
            return Entry.RECORDED
