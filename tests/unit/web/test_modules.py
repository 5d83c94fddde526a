"""The page's modules that need no page: tested in Node.js, by its own test runner."""

import subprocess
import sys
from pathlib import Path

import pytest

NODE = Path(sys.executable).with_name("node")
SERVED = Path(__file__).with_name("served.mjs").as_uri()
SUITES = sorted(Path(__file__).parent.glob("*.test.mjs"))


@pytest.mark.parametrize("suite", SUITES, ids=lambda suite: suite.name)
def test_the_module_passes_its_tests(suite: Path) -> None:
    """Every test of the suite passes, and there are some."""
    run = subprocess.run(
        [NODE, "--import", SERVED, "--test", "--test-reporter=tap", suite], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stdout
    assert "\n# pass 0\n" not in run.stdout
