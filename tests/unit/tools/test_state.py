"""The state file: whatever a crash left in it, the next command copes."""

import json
import stat
from pathlib import Path

import pytest

from tools.stack.state import Applied, Fingerprint, StackState, load_state, save_state

APPLIED = Applied(Fingerprint("code", "terraform", "variables"), {"http_url": "http://127.0.0.1:1"})
WITH_CELLS = StackState(
    4566, 8001, "secret", cell_ports={"north": 8002}, applied=Applied(Fingerprint("a", "b", "c"), {}, {"north": {}})
)
STATE = StackState(4566, 8001, "secret", aws_identity="12@5f0c", applying=False, applied=APPLIED)


@pytest.mark.parametrize(
    "state", [STATE, WITH_CELLS, StackState(1, 2, "s"), StackState(1, 2, "s", "3@4", applying=True)]
)
def test_a_saved_state_is_loaded_unchanged(tmp_path: Path, state: StackState) -> None:
    """Nothing is lost between two commands."""
    save_state(tmp_path / "stack.json", state)
    assert load_state(tmp_path / "stack.json") == state


def test_a_missing_file_yields_no_state(tmp_path: Path) -> None:
    """The first command finds nothing."""
    assert load_state(tmp_path / "stack.json") is None


def test_a_file_cut_anywhere_yields_no_state(tmp_path: Path) -> None:
    """A full disk or a hard stop may leave any beginning of it."""
    path = tmp_path / "stack.json"
    save_state(path, STATE)
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        assert load_state(path) is None


@pytest.mark.parametrize(
    "text",
    [
        "null",
        "[]",
        "\x00\x01",
        "{}",
        '{"version": 1, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": null}',
        '{"version": 2, "aws_port": "1", "gateway_port": 2, "secret": "s", "applied": null}',
        '{"version": 2, "aws_port": 70000, "gateway_port": 2, "secret": "s", "applied": null}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": null, "unknown": 1}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": {"fingerprint": {}}}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": []}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": null, "cell_ports": []}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "s", "applied": null, "cell_ports": {"a": 0}}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "applied": null}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": "", "applied": null}',
        '{"version": 2, "aws_port": 1, "gateway_port": 2, "secret": 5, "applied": null}',
    ],
)
def test_a_file_of_another_shape_yields_no_state(tmp_path: Path, text: str) -> None:
    """Another release, or another program, wrote it."""
    path = tmp_path / "stack.json"
    path.write_text(text)
    assert load_state(path) is None


def test_a_crash_while_saving_leaves_the_old_state(tmp_path: Path) -> None:
    """The new one is written beside it first."""
    path = tmp_path / "stack.json"
    save_state(path, STATE)
    path.with_suffix(".new").write_text(json.dumps({"version": 1})[:5])
    assert load_state(path) == STATE


def test_a_fingerprint_names_the_changed_sources() -> None:
    """The operator sees why `up` applies again."""
    earlier = APPLIED.fingerprint
    assert Fingerprint("code", "terraform", "variables").changed_since(earlier) == []
    assert Fingerprint("new", "terraform", "new").changed_since(earlier) == ["functions", "variables"]


def test_the_state_file_is_private_to_its_owner(tmp_path: Path) -> None:
    """It holds the secret of every account's root, and a crash may have left another program's file in the way."""
    path = tmp_path / "stack.json"
    path.with_suffix(".new").write_text("left by a crash")
    save_state(path, STATE)
    save_state(path, STATE)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_secret_is_not_in_the_text_of_the_state() -> None:
    """It would get into logs and messages of failed tests."""
    assert "secret" not in repr(STATE)


def test_the_state_of_a_stack_from_before_there_were_cells_is_loaded(tmp_path: Path) -> None:
    """It has none of them."""
    path = tmp_path / "stack.json"
    save_state(path, STATE)
    document = json.loads(path.read_text())
    del document["cell_ports"], document["applied"]["cells"]
    path.write_text(json.dumps(document))
    assert load_state(path) == STATE
