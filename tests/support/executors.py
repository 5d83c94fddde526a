"""An executor without threads."""

from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import override


class AtOnce(Executor):
    """An executor that carries out each call when it is submitted, so that calls come in one order."""

    @override
    def submit[**P, T](self, fn: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Future[T]:
        future: Future[T] = Future()
        future.set_result(fn(*args, **kwargs))
        return future
