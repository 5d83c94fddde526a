"""The files for contributors name targets, folders and functions that exist, and are valid."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.checkout import ROOT

GITHUB = ROOT / ".github"
FORMS = ("bug_report.yml", "feature_request.yml")
TARGETS = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


def _read(path: Path) -> Any:
    return yaml.safe_load(path.read_text())


def test_contributing_names_folders_that_exist() -> None:
    """A newcomer finds each suite and each example where the page says."""
    named = re.findall(
        r"`((?:tests|functions|terraform|tools|shared)/[\w./]*)`", (ROOT / "CONTRIBUTING.md").read_text()
    )
    assert "tests/unit" in named
    assert [path for path in named if not (ROOT / path).exists()] == []


@pytest.mark.parametrize("name", FORMS)
def test_a_form_for_issues_is_valid(name: str) -> None:
    """GitHub ignores a form that lacks a key, or that uses an id twice.

    https://docs.github.com/en/communities/using-templates-to-encourage-useful-issues-and-pull-requests/syntax-for-githubs-form-schema
    """
    form = _read(GITHUB / "ISSUE_TEMPLATE" / name)
    assert {"name", "description", "body"} <= form.keys()
    questions = [element for element in form["body"] if element["type"] != "markdown"]
    assert {question["type"] for question in questions} <= {"input", "textarea", "dropdown", "checkboxes"}
    assert len({question["id"] for question in questions}) == len(questions)
    assert all(question["attributes"]["label"] for question in questions)
    assert all(question["attributes"].get("options") for question in questions if question["type"] == "dropdown")


def test_security_reports_are_directed_away_from_public_issues() -> None:
    """The list of forms shows the private way, and no blank issue."""
    configuration = _read(GITHUB / "ISSUE_TEMPLATE" / "config.yml")
    assert configuration["blank_issues_enabled"] is False
    (link,) = configuration["contact_links"]
    assert {"name", "url", "about"} == link.keys()
    assert "SECURITY.md" in link["about"]


def test_notes_of_a_release_have_a_category_for_every_label_of_the_forms() -> None:
    """A pull request is listed by the label that its issue got from a form; all others come last."""
    categories = _read(GITHUB / "release.yml")["changelog"]["categories"]
    labels = [label for category in categories for label in category["labels"]]
    assert {label for name in FORMS for label in _read(GITHUB / "ISSUE_TEMPLATE" / name)["labels"]} <= set(labels)
    assert labels[-1] == "*"
    assert len(set(labels)) == len(labels)


def test_the_dev_container_makes_targets_that_exist() -> None:
    """Its file is JSON with whole lines of comments; its Python is the one of the project."""
    container = json.loads(COMMENT.sub("", (ROOT / ".devcontainer" / "devcontainer.json").read_text()))
    made = re.search(r"&& make ([a-z -]+)$", container["postCreateCommand"])
    assert made is not None
    assert "setup" in made[1].split()
    assert set(made[1].split()) <= TARGETS
    python = re.search(r'^requires-python = "==(\d+\.\d+)\.\*"$', (ROOT / "pyproject.toml").read_text(), re.MULTILINE)
    assert python is not None
    assert re.fullmatch(rf"mcr\.microsoft\.com/devcontainers/python:{python[1]}-[a-z]+", container["image"])
