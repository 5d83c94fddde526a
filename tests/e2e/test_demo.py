"""The demonstration, as a newcomer runs it."""

import signal
import tempfile
from pathlib import Path

import pytest

from tests.e2e.system import loudhailer, remains, started
from tests.support.waiting import eventually
from tools.stack.directory import StackDirectory


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """A state directory of its own."""
    return tmp_path / "stacks"


def test_the_demo_counts_every_frame_and_cleans_up(home: Path) -> None:
    """It shows its tables, succeeds, and takes its stack with it."""
    demo = loudhailer(home, "unused", "demo", "--sockets", "60")
    assert demo.returncode == 0, demo.stdout + demo.stderr
    for text in ("Broadcasts", "Counts against the truth", "everyone", "tenant demo-red", "half left"):
        assert text in demo.stdout
    assert "Every frame arrived and every count is right" in demo.stdout
    assert remains(home) == []


@pytest.mark.parametrize(
    "number",
    [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.nightly)],  # by day SIGINT, which ends it likewise
)
async def test_an_interrupted_demo_cleans_up(
    home: Path, number: signal.Signals, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An interruption during the start leaves neither processes nor files."""
    log = StackDirectory(home / "demo").log("terraform")
    with tempfile.TemporaryDirectory() as temporary:  # a short path, as sockets are made in it
        monkeypatch.setenv("TMPDIR", temporary)
        async with started(home, "unused", "demo", "--sockets", "60", "--no-template") as demo:
            try:
                await eventually(lambda: log.exists() and '"type":"apply_start"' in log.read_text())
            finally:
                demo.send_signal(number)
        assert demo.returncode == 128 + number
        assert remains(home) == []
        assert remains(Path(temporary)) == []
