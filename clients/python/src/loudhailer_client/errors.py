"""The one class of errors of this package."""


class LoudhailerError(Exception):
    """The service has refused something, or something did not work.

    The codes are those of the service's frames, and those in the README of this package.

    Attributes:
        code: what is wrong, for a program.
        channel: the channel that it is about.
        request_id: the service's id of the frame.
        status: the HTTP status.
        field: the field that is missing or illegal.
        retry_after: seconds after which to try again.
        fatal: the same request never succeeds. Raised by `get_session`, it ends the client.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        channel: str | None = None,
        request_id: str | None = None,
        status: int | None = None,
        field: str | None = None,
        retry_after: float | None = None,
        fatal: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.channel = channel
        self.request_id = request_id
        self.status = status
        self.field = field
        self.retry_after = retry_after
        self.fatal = fatal
