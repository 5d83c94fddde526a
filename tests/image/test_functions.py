"""Every function in the image, started and asked as on Lambda."""

import time
from dataclasses import MISSING, fields

import pytest

from functions.broadcast.query.settings import Settings
from tests.image.emulator import running
from tests.support.checkout import functions
from tests.support.surroundings import Golden, Surroundings
from tools.image.build import BuiltImage


@pytest.mark.parametrize("function", functions())
def test_a_function_does_what_its_golden_event_is_for(
    image: BuiltImage, surroundings: Surroundings, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handler is imported in the image, and answers and works, cold and warm, as it must; the times are printed."""
    golden = Golden.of(function, surroundings)
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


def test_a_function_without_its_variables_fails_at_init_and_lists_what_is_missing(image: BuiltImage) -> None:
    """One message names every variable; which ones each function needs, the unit tests of the settings say."""
    with running(image.tag, "query", {}) as ask:
        error = ask({})
    assert error["errorType"] == "ConfigurationError"
    missing = error["errorMessage"].removeprefix("bad environment: ").split("; ")
    assert missing == [f"{field.name.upper()} is missing" for field in fields(Settings) if field.default is MISSING]


def test_a_function_can_write_in_tmp_alone(image: BuiltImage, surroundings: Surroundings) -> None:
    """As on Lambda, its own code is out of its reach."""
    with running(image.tag, "default_route", surroundings.variables) as function:
        function({})
        code, output = function.run("touch", "/var/task/functions/new")
        assert code != 0
        assert "Read-only file system" in output
        assert function.run("touch", "/tmp/new") == (0, "")  # noqa: S108 (Lambda's)
