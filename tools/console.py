"""Output for the operator: bars and colours on a terminal, plain lines with the same words everywhere else."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from rich import box
from rich.console import Console, Group, RenderableType
from rich.markup import escape
from rich.measure import Measurement
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from tools.errors import OperatorError

_NUMBER = re.compile(r"[-+]?\$?[\d,_]*\.?\d+ ?%?|\?|-")
_WHOLE = re.compile(r"-?\d{1,18}")
_DECIMAL = re.compile(r"-?\d{1,18}\.\d{1,9}")
_IDS = frozenset(("account", "cell", "tenant", "tenantId"))
"""Columns of ids: `007` and `True` are legal ones, and stay texts."""

_JSON = frozenset(("channels",))
"""Columns of structured values: their cells are JSON."""

_NAMELESS = "rows"
_NOTE_LENGTH = 60
_PLAIN_WIDTH = 1_000
_PLAIN_INTERVAL_SECONDS = 10.0
_VISIBLE_ID_LENGTH = 4


def masked(session: str) -> str:
    """A session's id as it may be shown: it is a bearer secret, so only enough to tell two of them apart."""
    return f"{session[:_VISIBLE_ID_LENGTH]}…" if len(session) > _VISIBLE_ID_LENGTH else "…"


def shortened(text: str, length: int) -> str:
    """The text on one line, cut to a length, an ellipsis in place of what is missing."""
    line = " ".join(text.split())
    return line if len(line) <= length else f"{line[: length - 1]}…"


def align_numbers(table: Table) -> None:
    """Align columns of numbers to the right, and keep them whole."""
    for column in table.columns:
        cells = [str(cell) for cell in column.cells if str(cell)]
        if cells and all(map(_NUMBER.fullmatch, cells)):
            column.justify, column.no_wrap = "right", True


def records(table: Table) -> list[dict[str, object]]:
    """The rows of a table as objects; a cell without text is null, and a whole or decimal number one, except an id."""
    columns = [(key_of(str(column.header)), [*column.cells]) for column in table.columns]
    return [{key: _value(key, str(cells[row])) for key, cells in columns if key} for row in range(table.row_count)]


def key_of(header: str) -> str:
    """The header of a column as a key of JSON: `in flight` is `inFlight`."""
    first, *others = re.split(r"[^A-Za-z0-9]+", header.strip()) or [""]
    return first[:1].lower() + first[1:] + "".join(other.capitalize() for other in others)


def _value(key: str, cell: str) -> object:
    if key in _IDS:
        return cell or None
    if key in _JSON:
        return json.loads(cell)
    plain = cell.replace(",", "")
    if _WHOLE.fullmatch(plain):
        return int(plain)
    if _DECIMAL.fullmatch(plain):
        return float(plain)
    return {"": None, "?": None, "True": True, "False": False}.get(cell, cell)


def row_by_row(table: Table) -> Group:
    """The same with a line for each cell, its column's name in front, and an empty line between rows."""
    columns = [(str(column.header), [*column.cells]) for column in table.columns]
    blocks: list[RenderableType] = [] if table.title is None else [Text(str(table.title), style="italic")]
    for row in range(table.row_count):
        block = Table.grid(padding=(0, 2))
        block.add_column(style="bold", no_wrap=True)
        block.add_column(overflow="fold")
        for header, cells in columns:
            block.add_row(header, cells[row])
        blocks.extend([block, Text()])
    return Group(*blocks)


class Bar:
    """Progress towards a total that may become known only on the way."""

    def __init__(self, terminal: "Terminal", title: str, live: tuple[Progress, TaskID] | None) -> None:
        self._terminal = terminal
        self._title = title
        self._live = live
        self._printed_at = time.monotonic()

    def update(self, done: int, total: int | None, note: str = "") -> None:
        """Show the progress and the current step; off a terminal, one line every ten seconds."""
        if self._live is not None:
            progress, task = self._live
            progress.update(task, completed=done, total=total, note=escape(shortened(note, _NOTE_LENGTH)))
        elif time.monotonic() - self._printed_at >= _PLAIN_INTERVAL_SECONDS:
            self._printed_at = time.monotonic()
            of_total = "" if total is None else f"/{total}"
            suffix = f" ({shortened(note, _NOTE_LENGTH)})" if note else ""
            self._terminal.say(f"{self._title}: {done}{of_total}{suffix}")


class _Bars:
    """All bars of a terminal, below each other in one display: it is there as long as there is a bar."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lock = Lock()
        self._number = 0
        self._progress: Progress | None = None

    @contextmanager
    def shown(self) -> Iterator[Progress]:
        """The display, for one bar."""
        with self._lock:
            progress = self._progress = self._progress or self._started()
            self._number += 1
        try:
            yield progress
        finally:
            with self._lock:
                self._number -= 1
                if not self._number:
                    progress.stop()
                    self._progress = None

    def _started(self) -> Progress:
        columns = (
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=30),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("[dim]{task.fields[note]}"),
        )
        progress = Progress(*columns, console=self._console, transient=True)
        progress.start()
        return progress


class Terminal:
    """Output of a command: its result to standard output, its progress and its errors to standard error."""

    def __init__(self, output: Console | None = None, progress: Console | None = None) -> None:
        self.output = output or Console(highlight=False)
        if not self.output.is_terminal:
            self.output.width = _PLAIN_WIDTH
        self.progress = progress or Console(stderr=True, highlight=False, soft_wrap=True)
        self._bars = _Bars(self.progress)
        self._document: dict[str, object] | None = None

    @property
    def shows_json(self) -> bool:
        """Tell whether results are shown as JSON."""
        return self._document is not None

    def collect_json(self) -> None:
        """Show all results together as one JSON value, by `finish`, in place of tables and lines."""
        self._document = {}

    def finish(self) -> None:
        """Print the JSON value of the results, if they were collected; the only table without a name is an array."""
        if self._document:
            value = self._document[_NAMELESS] if [*self._document] == [_NAMELESS] else self._document
            self.output.out(json.dumps(value, indent=2, ensure_ascii=False), highlight=False)

    def say(self, text: str) -> None:
        """Print one line of progress."""
        self.progress.print(text, markup=False)

    def write(self, line: str | Text) -> None:
        """Print one line of a result that may have no end; a line of JSON is the caller's."""
        self.output.print(line, markup=False, soft_wrap=self.shows_json)

    def show(self, result: RenderableType, name: str = "") -> None:
        """A part of the command's result; a table is ruled on a terminal, and one plain line a row elsewhere.

        Numbers are right-aligned and never cut: a table that is too wide for the terminal is shown row by row. As JSON
        a table is an array of objects, and `name` is its key, or that of a text; by default a table's title.
        """
        if self._document is not None:
            if isinstance(result, Table):
                self._document[name or key_of(str(result.title or _NAMELESS))] = records(result)
            elif name:
                self._document[name] = str(result)
            else:
                self.say(str(result))
            return
        if isinstance(result, Table):
            align_numbers(result)
            result.box = box.SIMPLE_HEAD if self.output.is_terminal and result.show_header else None
            roomy = self.output.options.update(width=_PLAIN_WIDTH)
            if Measurement.get(self.output, roomy, result).minimum > self.output.width:
                result = row_by_row(result)
        self.output.print(result, markup=False, soft_wrap=isinstance(result, str))

    def fail(self, error: OperatorError) -> None:
        """Print the error that ends the command, and its remedy."""
        self.progress.print(f"[bold red]Error:[/] {escape(error.problem)}")
        if error.remedy:
            self.progress.print(f"[bold]Fix:[/] {escape(error.remedy)}")

    @contextmanager
    def bar(self, title: str, total: int | None = None) -> Iterator[Bar]:
        """A bar for the length of the block, then one line that says how long it took; threads may show several."""
        started = time.monotonic()
        if self.progress.is_terminal:
            with self._bars.shown() as progress:
                task = progress.add_task(escape(title), total=total, note="")
                try:
                    yield Bar(self, title, (progress, task))
                finally:
                    progress.remove_task(task)
        else:
            self.say(f"{title} …")
            yield Bar(self, title, None)
        self._done(title, time.monotonic() - started)

    @contextmanager
    def step(self, title: str) -> Iterator[None]:
        """Something that takes a moment and has no measure; then one line that says how long it took."""
        started = time.monotonic()
        if self.progress.is_terminal:
            with self.progress.status(escape(title)):
                yield
        else:
            yield
        self._done(title, time.monotonic() - started)

    def _done(self, title: str, seconds: float) -> None:
        self.progress.print(f"[green]✓[/] {escape(title)} [dim]({seconds:.1f} s)[/]")
