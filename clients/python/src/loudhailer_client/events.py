"""Events and their handlers."""

import inspect
import logging
from collections.abc import Callable
from typing import Any

from loudhailer_client.errors import LoudhailerError

_logger = logging.getLogger("loudhailer_client")

type Handler = Callable[[Any], object]


class Emitter:
    """Something that has events. Errors that nobody handles are reported by its parent, or in the log."""

    def __init__(self, parent: "Emitter | None" = None) -> None:
        self._parent = parent
        self._handlers: dict[str, dict[object, Handler]] = {}

    def on(self, event: str, handler: Handler) -> Callable[[], None]:
        """Call `handler` at each such event, until the returned function is called.

        A handler is a plain function, which may start a task: coroutines of several events would overtake one another.

        Raises:
            TypeError: the handler is a coroutine function.
        """
        if inspect.iscoroutinefunction(handler):
            raise TypeError("a handler is a plain function: let it put events into a queue, or start a task")
        entry = object()
        self._handlers.setdefault(event, {})[entry] = handler

        def unsubscribe() -> None:
            self._handlers.get(event, {}).pop(entry, None)

        return unsubscribe

    def emit(self, event: str, value: Any) -> bool:
        """Call the handlers; return False if there are none. A handler that fails stops nothing else."""
        handlers = [*self._handlers.get(event, {}).items()]
        for entry, handler in handlers:
            if entry not in self._handlers.get(event, {}):
                continue  # a handler before it has removed it
            try:
                handler(value)
            except Exception as cause:  # noqa: BLE001  # it is the application's
                self._failed(event, cause)
        return bool(handlers)

    def _failed(self, event: str, cause: Exception) -> None:
        if event == "error":
            _logger.error("a handler of errors has failed", exc_info=cause)
            return
        error = LoudhailerError("HANDLER_FAILED", f'a handler of "{event}" failed: {cause}')
        error.__cause__ = cause
        self.report(error)

    def report(self, error: LoudhailerError) -> None:
        """Emit an error; without a handler the parent reports it, or the log."""
        if not self.emit("error", error):
            if self._parent is None:
                _logger.warning("%s: %s", error.code, error)
            else:
                self._parent.report(error)

    def forget(self) -> None:
        """Remove all handlers."""
        self._handlers.clear()
