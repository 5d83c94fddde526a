"""Outputs of a command for a workflow's next steps."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tools.cli.main import app
from tools.release.environment import Environment
from tools.stack.project import Project

RUNNER = CliRunner()


@pytest.fixture
def output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that GitHub reads a step's outputs from; in no environment yet."""
    for name in ("ENVIRONMENT", "CELL", "SUBSCRIBER", "KIND", "CANARY", "COMMIT", "DIGEST", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "output"
    monkeypatch.setenv("GITHUB_OUTPUT", str(path))
    return path


def test_a_context_names_the_sign_in(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment variables name it, as workflows give them."""
    monkeypatch.setenv("ENVIRONMENT", "staging")
    done = RUNNER.invoke(app, ["release", "context"])
    assert done.exit_code == 0
    values = dict(line.split("=", 1) for line in output.read_text().splitlines())
    assert values["account-id"] == "333333333333"
    assert values["plan-role"] == "arn:aws:iam::333333333333:role/ci/loudhailer-staging-plan"
    assert values["registry-id"] == "444444444444"


def test_an_empty_variable_counts_as_unset(output: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A workflow's input that nobody filled in is empty."""
    monkeypatch.setenv("SUBSCRIBER", "")
    monkeypatch.setenv("CELL", "")
    assert RUNNER.invoke(app, ["release", "context", "dev"]).exit_code == 0
    assert "account-id=222222222222" in output.read_text()


def test_the_stacks_cover_every_map(output: Path) -> None:
    """A hub for each environment of AWS, its cells and subscribers: all are planned and watched for drift."""
    assert RUNNER.invoke(app, ["release", "stacks"]).exit_code == 0
    name, _, value = output.read_text().partition("=")
    assert name == "stacks"
    found = [(each["environment"], each["cell"], each["subscriber"]) for each in json.loads(value)]
    assert found[:3] == [("dev", "", ""), ("dev", "north", ""), ("dev", "", "blue")]
    project = Project.of_this_code()
    assert found == [
        (name, cell, subscriber)
        for name in ("dev", "production", "staging")
        for known in [Environment.of(project, name)]
        for cell, subscriber in [
            ("", ""),
            *((each.name, "") for each in known.cells),
            *(("", each.name) for each in known.subscribers),
        ]
    ]


@pytest.mark.parametrize(("kind", "first"), [("cell", "north"), ("subscriber", "blue")])
def test_the_waves_are_of_the_kind_that_is_asked_for(
    output: Path, monkeypatch: pytest.MonkeyPatch, kind: str, first: str
) -> None:
    """A workflow names it in a variable."""
    monkeypatch.setenv("KIND", kind)
    assert RUNNER.invoke(app, ["release", "waves", "dev"]).exit_code == 0
    assert output.read_text() == f'canary=["{first}"]\nearly=[]\nrest=[]\n'


def test_an_environment_without_subscribers_has_no_waves(output: Path) -> None:
    """All three are there, empty, so that a workflow can ask."""
    assert RUNNER.invoke(app, ["release", "waves", "local"]).exit_code == 0
    assert output.read_text() == "canary=[]\nearly=[]\nrest=[]\n"


@pytest.mark.usefixtures("output")
@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["context", "nowhere"], "There is no environment 'nowhere'."),
        (["context", "dev", "--subscriber", "nobody"], "dev has no subscriber 'nobody' in eu-central-1."),
        (["context", "dev", "--cell", "nowhere"], "dev has no cell 'nowhere' in eu-central-1."),
        (["cell", "dev"], "The hub needs no description."),
        (
            ["context", "dev", "--cell", "north", "--subscriber", "blue"],
            "Both a cell, north, and a subscriber, blue, are named.",
        ),
        (["manifest", "dev", "--commit", "main", "--digest", f"sha256:{'0' * 64}"], "'main' is not a commit."),
        (["manifest", "dev", "--commit", "a" * 40, "--digest", "latest"], "'latest' is not an image's digest."),
        (["plan", "dev", "--manifest", "missing.json"], "There is no file missing.json."),
        (["apply", "dev", "--weights", "half"], "--weights 'half' is not legal."),
        (["apply", "dev", "--weights", "0.5,0.1"], "The weights 0.5, 0.1 are not legal."),
    ],
)
def test_invalid_arguments_are_refused_before_any_call_to_aws(arguments: list[str], sentence: str) -> None:
    """In a sentence, with an exit code, and without a call."""
    done = RUNNER.invoke(app, ["release", *arguments])
    assert done.exit_code == 1
    assert sentence in " ".join(done.stderr.split())
