"""Every function in the image, started and asked as on Lambda."""

import json
import time
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import pytest

from functions.query.settings import Settings
from tests.bench.lambda_environment import VARIABLES
from tests.contract.tables import TableKind
from tests.image.emulator import running
from tests.image.surroundings import Surroundings
from tests.unit.repository.checkout import functions
from tools.image.build import Image

EVENTS = Path(__file__).with_name("events")


def contains(answer: Any, wanted: Any) -> bool:
    """Whether an answer has all that is wanted; objects may have more."""
    if isinstance(wanted, dict):
        return isinstance(answer, dict) and all(contains(answer.get(key), wanted[key]) for key in wanted)
    return bool(answer == wanted)


@dataclass(frozen=True)
class Golden:
    """An event, and what comes of it: an answer, and the effect that it has and no other.

    Attributes:
        rows: all that tables hold before it, by table.
        messages: what is sent, by queue.
        posts: the frames that are posted, by connection.
        written: a row that is there after it, by table.
        deleted: the key of a row that is there no more, by table.
    """

    event: Any
    answer: Any
    rows: dict[TableKind, list[Any]] = field(default_factory=dict)
    messages: dict[str, Any] = field(default_factory=dict)
    posts: dict[str, Any] = field(default_factory=dict)
    written: dict[TableKind, Any] = field(default_factory=dict)
    deleted: dict[TableKind, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, function: str, endpoint: str) -> Self:
        """A function's; what is posted goes to the endpoint."""
        text = (EVENTS / f"{function}.json").read_text()
        return cls(**json.loads(text.replace(VARIABLES["CALLBACK_ENDPOINT"], endpoint)))

    def check(self, answer: Any, surroundings: Surroundings) -> None:
        """Compare what has come of it with what must."""
        assert contains(answer, self.answer), answer
        for found, wanted in (
            (surroundings.taken_messages(), self.messages),
            (surroundings.taken_posts(), self.posts),
        ):
            assert found.keys() == wanted.keys(), found
            assert contains(found, wanted), found
        for table, row in self.written.items():
            there = surroundings.row(table, row)
            assert contains(there, row), there
        for table, key in self.deleted.items():
            assert surroundings.row(table, key) is None


@pytest.mark.parametrize("function", functions())
def test_a_function_does_what_its_golden_event_is_for(
    image: Image, surroundings: Surroundings, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handler is imported in the image, and answers and works, cold and warm, as it must; the times are printed."""
    golden = Golden.of(function, surroundings.management_api.endpoint)
    surroundings.fill(golden.rows)
    started = time.perf_counter()
    with running(image.tag, function, surroundings.variables) as ask:
        answer = ask(golden.event)
        cold = time.perf_counter() - started
        golden.check(answer, surroundings)
        surroundings.fill(golden.rows)
        started = time.perf_counter()
        answer = ask(golden.event)
        warm = time.perf_counter() - started
        golden.check(answer, surroundings)
    with capsys.disabled():
        print(f"  {function}: cold {cold:.2f} s, warm {warm * 1000:.1f} ms")  # noqa: T201


def test_a_function_without_its_variables_fails_at_init_and_lists_what_is_missing(image: Image) -> None:
    """One message names every variable; which ones each function needs, the unit tests of the settings say."""
    with running(image.tag, "query", {}) as ask:
        error = ask({})
    assert error["errorType"] == "ConfigurationError"
    missing = error["errorMessage"].removeprefix("bad environment: ").split("; ")
    assert missing == [f"{field.name.upper()} is missing" for field in fields(Settings) if field.default is MISSING]


def test_a_function_can_write_in_tmp_alone(image: Image, surroundings: Surroundings) -> None:
    """As on Lambda, its own code is out of its reach."""
    with running(image.tag, "default_route", surroundings.variables) as function:
        function({})
        code, output = function.run("touch", "/var/task/functions/new")
        assert code != 0
        assert "Read-only file system" in output
        assert function.run("touch", "/tmp/new") == (0, "")  # noqa: S108 (Lambda's)
