"""The errors that decide what happens to the work at hand.

    LoudhailerError
    ├── ConfigurationError         a variable is missing or bad: the function fails at init
    ├── TransientError             the same work may succeed later: it is retried
    │   └── BusyError              AWS throttled the call: nothing was done
    └── PermanentError             no retry can help: acknowledged, counted, copied to the dead-letter queue
        ├── InvalidFieldError      a field of a request is missing or illegal; names the field
        └── MalformedMessageError  an internal message is of another shape or version

Normal events of operation, such as a gone connection or a reached limit, are values, not errors.
"""

from enum import StrEnum


class ErrorCode(StrEnum):
    """The codes of error frames to clients; docs/protocol.md explains how to react to each."""

    NOT_JSON = "NOT_JSON"
    UNSUPPORTED_JSON = "UNSUPPORTED_JSON"
    INVALID_FIELD = "INVALID_FIELD"
    NO_ACTION = "NO_ACTION"
    UNKNOWN_ACTION = "UNKNOWN_ACTION"
    NO_DESTINATION = "NO_DESTINATION"
    RESERVED_FIELD = "RESERVED_FIELD"
    TOO_LONG = "TOO_LONG"
    NO_PLAYER = "NO_PLAYER"
    OTHER_PLAYER = "OTHER_PLAYER"
    NOT_IN_ROOM = "NOT_IN_ROOM"
    INBOX_FULL = "INBOX_FULL"
    NOT_YET = "NOT_YET"
    NOT_GRANTED = "NOT_GRANTED"
    NOT_SUBSCRIBED = "NOT_SUBSCRIBED"
    UNSUBSCRIBED = "UNSUBSCRIBED"
    TOO_MANY_CHANNELS = "TOO_MANY_CHANNELS"
    NOT_QUEUED = "NOT_QUEUED"  # a mapping template of API Gateway answers it
    TRY_AGAIN = "TRY_AGAIN"
    CONNECTION_OVER = "CONNECTION_OVER"
    SESSION_OVER = "SESSION_OVER"
    UNKNOWN_CALLER = "UNKNOWN_CALLER"


class LoudhailerError(Exception):
    """Root of every error that Loudhailer raises on purpose."""


class ConfigurationError(LoudhailerError):
    """The environment of a function is unusable; the text lists every wrong variable."""


class TransientError(LoudhailerError):
    """The work failed, and may succeed when it is tried again."""


class BusyError(TransientError):
    """The work was throttled, and certainly not done."""


class PermanentError(LoudhailerError):
    """The work cannot succeed, however often it is tried."""


class InvalidFieldError(PermanentError):
    """A request's field is missing or illegal.

    Attributes:
        field: the field's name as the client wrote it, dotted below the top level (`audience.tenantId`).
        reason: the problem and the legal form, without the field's value.
    """

    def __init__(self, field: str, reason: str) -> None:
        super().__init__(f"{field}: {reason}")
        self.field = field
        self.reason = reason


class MalformedMessageError(PermanentError):
    """A queue's message is not of the shape and version that this release understands."""
