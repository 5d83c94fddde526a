"""The list of Lambda functions, also in the layout of `make mutants`."""

import shutil
import subprocess
import sys
from pathlib import Path

from tests.support import checkout


def test_functions_are_found_in_the_folder_that_python_imports(tmp_path: Path) -> None:
    """A run of mutants keeps the sources in `src`: without functions its tests would not even be collected."""
    for package in ("tests", "tests/support", "src/functions", "src/functions/ticker", "src/functions/ticker/tick"):
        (tmp_path / package).mkdir(parents=True)
        (tmp_path / package / "__init__.py").touch()
    shutil.copy(checkout.__file__, tmp_path / "tests" / "support")
    asked = "from tests.support.checkout import functions, module_of as m; print(*functions(), m('tick', 'handler'))"
    found = subprocess.check_output([sys.executable, "-c", asked], cwd=tmp_path, env={"PYTHONPATH": "src"}, text=True)
    assert found == "tick functions.ticker.tick.handler\n"
