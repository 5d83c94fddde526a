"""The page that benchmarks write."""

import math
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from tests.bench import measured, page
from tests.bench.charts import bars, cumulative, lines
from tests.bench.cold_start import parts
from tests.bench.measured import MeasuredSection
from tests.bench.results import Chart, ResultTable, Section, Target

SECTION = Section(
    "Sender",
    "How it was done.",
    [ResultTable("512 bytes", ("client", "posts", "CPU"), [("ours", "46,000", "21 us")])],
    [Target("faster", "≥ 40 x", "46 x", is_met=True), Target("cheap", "≤ 4 x", "5 x", is_met=False)],
    [Chart("bench-x", "A chart.", "<svg/>")],
)
MEASURED = MeasuredSection(SECTION, "2026-01-02", "abc1234", "a processor, 2 cores")
VERSIONS = ResultTable("Versions", ("", ""), [("Python", "3.13")])


def test_the_page_states_the_results_and_the_machine(tmp_path: Path) -> None:
    """Targets come first, missed ones are marked; each section names its date, commit and machine."""
    path = tmp_path / "benchmarks.md"
    page.write(path, [MEASURED], VERSIONS)
    text = path.read_text()
    assert text.startswith("# Benchmarks\n\nWritten by `make bench`;")
    assert "| faster | ≥ 40 x | 46 x | yes |\n| cheap | ≤ 4 x | 5 x | **no** |\n" in text
    assert text.index("## Targets") < text.index("## Sender\n\nHow it was done.\n") < text.index("## Versions")
    assert "Measured on 2026-01-02 at abc1234: a processor, 2 cores.\n" in text
    assert "### 512 bytes\n\n| client | posts | CPU |\n| --- | --: | --: |\n| ours | 46,000 | 21 us |\n" in text


def test_charts_are_stored_beside_the_page(tmp_path: Path) -> None:
    """The page shows them by their names."""
    page.write(tmp_path / "benchmarks.md", [MEASURED], VERSIONS)
    assert (tmp_path / "bench-x.svg").read_text() == "<svg/>"
    assert "![A chart.](bench-x.svg)" in (tmp_path / "benchmarks.md").read_text()


def test_a_run_of_some_benchmarks_keeps_the_results_of_the_others(tmp_path: Path) -> None:
    """They are read back as they were written, charts included."""
    path = tmp_path / "benchmarks.json"
    assert measured.read(path) == {}
    page.write(path.with_suffix(".md"), [MEASURED], VERSIONS)
    measured.write(path, {"sender": MEASURED, "unknown": MEASURED}, ["lanes", "sender"])
    assert measured.read(path).keys() == {"sender"}
    page.write(tmp_path / "again.md", list(measured.read(path).values()), VERSIONS)
    assert (tmp_path / "again.md").read_text() == (tmp_path / "benchmarks.md").read_text()


@pytest.mark.parametrize(
    "svg",
    [
        bars("Posts & more", {"ours": 46_000.0, "theirs <2>": 900.0}),
        cumulative("Latency", "ms", {"1,000": [1.0, 2.0, 3.0], "10,000": [4.0] * 1_000}, ("floor", 10.0)),
        lines("Load", "a second", "ms", {"p50 & p99": [(1.0, 20.0), (2.0, math.nan), (4.0, 30.0)]}),
    ],
)
def test_a_chart_is_well_formed(svg: str) -> None:
    """Names may have any character."""
    root = ET.fromstring(svg)  # noqa: S314  # made a moment ago
    assert root.tag == "{http://www.w3.org/2000/svg}svg"


def test_a_bar_is_as_long_as_its_value() -> None:
    """The heights are in proportion to the numbers."""
    root = ET.fromstring(bars("Posts", {"ours": 300.0, "theirs": 100.0}))  # noqa: S314  # made a moment ago
    _, ours, theirs = (float(each.attrib["width"]) for each in root.iter("{http://www.w3.org/2000/svg}rect"))
    assert ours / theirs == pytest.approx(3, abs=0.01)


def test_an_axis_has_round_numbers() -> None:
    """Nobody reads a time off ticks of 424 ms."""
    root = ET.fromstring(cumulative("Latency", "ms", {"10,000": [2_019.0]}, ("floor", 1_000.0)))  # noqa: S314  # ours
    texts = [each.text for each in root.iter("{http://www.w3.org/2000/svg}text")]
    assert [text for text in texts if text and text.replace(",", "").isdigit()] == [
        *("0", "500", "1,000", "1,500", "2,000"),
        "10,000",
    ]


def test_import_times_are_added_up_by_package() -> None:
    """Modules of one package count together; other lines than those of the log are ignored."""
    log = (
        "import time: self [us] | cumulative | imported package\n"
        "import time:       100 |        100 |   botocore.session\n"
        "import time:        50 |        150 | botocore\n"
        "import time:         7 |        157 | functions.connections.connect.handler\n"
    )
    assert parts(log) == {"botocore": 150, "functions": 7}
