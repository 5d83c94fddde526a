"""The hosts of further cells, to which the page may connect: it follows its session to a cell.

A cell's lease has its URL. Until the cell has a lease, all APIs of its Region are allowed.
"""

from collections.abc import Callable, Collection, Mapping
from urllib.parse import urlsplit

from loudhailer.cells.model import CellStatus, hosts_in, is_url_in
from loudhailer.cells.port import CellDirectory
from loudhailer.errors import TransientError
from loudhailer.ids import CellName
from loudhailer.observability import count, logger

_REMEMBERED_SECONDS = 10


class CellHosts:
    """Lists the hosts of the cells in these Regions as sources of a Content Security Policy."""

    def __init__(
        self, directory: CellDirectory, regions: Mapping[CellName, str], own_url: str, *, clock: Callable[[], float]
    ) -> None:
        self._directory = directory
        self._regions = regions
        self._own_url = own_url
        self._clock = clock
        self._known: tuple[float, Mapping[CellName, CellStatus]] | None = None

    def __call__(self) -> Collection[str]:
        """Return the sources, each once, as of some seconds ago."""
        statuses = self._statuses()
        return sorted({self._source(region, statuses.get(cell)) for cell, region in self._regions.items()})

    def _source(self, region: str, status: CellStatus | None) -> str:
        if status is None or status.lease is None:
            return hosts_in(region, self._own_url)
        url = status.lease.websocket_url
        if not is_url_in(region, url, self._own_url):
            return hosts_in(region, self._own_url)
        parts = urlsplit(url)
        return f"{parts.scheme}://{parts.netloc}"

    def _statuses(self) -> Mapping[CellName, CellStatus]:
        now = self._clock()
        if self._known is None or now - self._known[0] >= _REMEMBERED_SECONDS:
            try:
                found = self._directory.statuses(list(self._regions))
            except TransientError as error:
                count("CellsUnknown")
                logger.warning("the directory of cells does not answer", error=str(error))
                found = {} if self._known is None else self._known[1]
            self._known = now, found
        return self._known[1]
