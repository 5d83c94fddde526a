"""Route a message to a player or to a room, as its frame says.

`{"action":"sendmessage","destinationPlayerId":...}` is direct, `{"action":"sendmessage","roomKey":...}` goes to the
room. A frame that names both, or neither, is refused.
"""

from loudhailer.errors import ErrorCode
from loudhailer.observability import count
from loudhailer.websocket.caller import Caller
from loudhailer.websocket.exchange import Frame, Respond


class SendMessage:
    """Passes a frame to the use case for its destination; answers frames of the route `sendmessage`."""

    def __init__(self, direct: Respond, rooms: Respond) -> None:
        self._by_field = {"destinationPlayerId": direct, "roomKey": rooms}

    def __call__(self, caller: Caller, frame: Frame) -> str | None:
        """Return the answer of the use case for the frame: direct messages or rooms."""
        named = [field for field in self._by_field if field in frame]
        if len(named) != 1:
            count("FrameRefused")
            return caller.refusal(
                ErrorCode.NO_DESTINATION, "the frame must have destinationPlayerId or roomKey, and not both"
            )
        return self._by_field[named[0]](caller, frame)
