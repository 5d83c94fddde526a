"""The files that the image is built from."""

import re
from pathlib import Path

from tests.support.checkout import ROOT

FOLDER = ROOT / "images" / "lambda"
SOURCES = re.compile(r"^COPY (?!--)(\S+) |type=bind,source=([^,]+)", re.MULTILINE)


def test_each_source_of_the_dockerfile_is_in_the_context() -> None:
    """The ignore file leaves out all that it does not name, and a build without a source fails."""
    allowed = [
        Path(line.removeprefix("!"))
        for line in (FOLDER / "Dockerfile.dockerignore").read_text().splitlines()
        if line.startswith("!")
    ]
    sources = [Path(copied or bound) for copied, bound in SOURCES.findall((FOLDER / "Dockerfile").read_text())]
    assert len(sources) >= 5
    assert [path for path in sources if not any(path.is_relative_to(each) for each in allowed)] == []
