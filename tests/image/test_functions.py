"""Every function in the image, started and asked as on Lambda."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from tests.image.emulator import running
from tests.unit.repository.checkout import functions
from tools.image.build import Image

EVENTS = Path(__file__).with_name("events")
ROOT = Path(__file__).parents[2]
CONFIGURED = sorted(path.parent.name for path in ROOT.glob("functions/*/settings.py"))


def contains(answer: Any, wanted: Any) -> bool:
    """Whether an answer has all that is wanted; objects may have more."""
    if isinstance(wanted, dict):
        return isinstance(answer, dict) and all(contains(answer.get(key), wanted[key]) for key in wanted)
    return bool(answer == wanted)


@pytest.mark.parametrize("function", functions())
def test_a_function_answers_its_golden_event(
    image: Image, variables: dict[str, str], function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handler is imported in the image and answers, cold and warm, what its event says; the times are printed."""
    golden = json.loads((EVENTS / f"{function}.json").read_text())
    started = time.perf_counter()
    with running(image.tag, function, variables) as ask:
        cold_answer = ask(golden["event"])
        cold = time.perf_counter()
        warm_answer = ask(golden["event"])
        warm = time.perf_counter()
    with capsys.disabled():
        print(f"  {function}: cold {cold - started:.2f} s, warm {(warm - cold) * 1000:.1f} ms")  # noqa: T201
    assert contains(cold_answer, golden["answer"]), cold_answer
    assert contains(warm_answer, golden["answer"]), warm_answer


@pytest.mark.parametrize("function", CONFIGURED)
def test_a_function_without_its_variables_fails_at_init_and_lists_what_is_missing(
    image: Image, variables: dict[str, str], function: str
) -> None:
    """One message names every variable that the function needs, and no other."""
    with running(image.tag, function, {}) as ask:
        error = ask({})
    assert error["errorType"] == "ConfigurationError"
    missing = error["errorMessage"].removeprefix("bad environment: ").split("; ")
    assert missing
    assert {problem.split(" ", 1)[1] for problem in missing} == {"is missing"}
    assert {problem.split(" ", 1)[0] for problem in missing} <= variables.keys()


def test_a_function_can_write_in_tmp_alone(image: Image, variables: dict[str, str]) -> None:
    """As on Lambda, its own code is out of its reach."""
    with running(image.tag, "default_route", variables) as function:
        function({})
        code, output = function.run("touch", "/var/task/functions/new")
        assert code != 0
        assert "Read-only file system" in output
        assert function.run("touch", "/tmp/new") == (0, "")  # noqa: S108 (Lambda's)
