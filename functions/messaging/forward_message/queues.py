"""The queues of the cells at the hub: a request comes from the cell whose queue it is in."""

from collections.abc import Callable
from functools import cache

from loudhailer.ids import CellName, cell_name
from loudhailer.queues.port import FifoQueue

_CELL = "{cell}"


class CellQueues:
    """The queue of each cell; `url` has `{cell}` in place of its name, and `make` makes a queue from a URL."""

    def __init__(self, url: str, make: Callable[[str], FifoQueue]) -> None:
        self._url = url
        self.of = cache(lambda cell: make(self.url(cell)))

    def url(self, cell: CellName) -> str:
        """Return the URL of a cell's queue."""
        return self._url.replace(_CELL, cell)

    def sender(self, queue_arn: str) -> CellName:
        """Return the cell whose queue has the ARN; no other cell may send to it."""
        before, after = self._url.rpartition("/")[2].split(_CELL)
        return cell_name(queue_arn.rpartition(":")[2].removeprefix(before).removesuffix(after))
