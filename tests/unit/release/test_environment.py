"""Contents of an environment's files."""

import json
from pathlib import Path

import pytest

from tools.errors import OperatorError
from tools.release.environment import Cell, Environment, Subscriber
from tools.release.manifest import Image
from tools.stack.project import Project

DIGEST = f"sha256:{'0' * 64}"
SUBSCRIBERS = {
    "blue": {"account_id": "555555555555", "external_id": "one", "shards": [0, 1]},
    "green": {"account_id": "666666666666", "external_id": "two", "shards": [2]},
}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with the environments of this one, in which files may be changed."""
    for path in Project.of_this_code().terraform.glob("environments/*/*.tfvars"):
        copy = tmp_path / "terraform" / "environments" / path.parent.name / path.name
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text())
    return Project(tmp_path)


@pytest.mark.parametrize("name", ["dev", "staging", "production"])
def test_names_match_terraforms(name: str) -> None:
    """The bucket is the one that the backend's own file names; the image comes from the one registry."""
    project = Project.of_this_code()
    environment = Environment.of(project, name)
    backend = (project.terraform / "environments" / name / "hub.tfbackend").read_text()
    assert f'"{environment.state_bucket(environment.account_id)}"' in backend
    assert f'"{environment.region}"' in backend
    assert environment.repository_url == "444444444444.dkr.ecr.eu-central-1.amazonaws.com/loudhailer"
    assert environment.releases_bucket == "loudhailer-production-444444444444"
    assert environment.release_role_arn == "arn:aws:iam::444444444444:role/ci/loudhailer-production-release"
    assert environment.role_arn("apply", "555555555555") == f"arn:aws:iam::555555555555:role/ci/loudhailer-{name}-apply"


def test_an_environment_without_a_registry_keeps_its_own_images(project: Project) -> None:
    """As `local` does."""
    environment = Environment.of(project, "local")
    assert environment.repository_url == "111111111111.dkr.ecr.us-east-1.amazonaws.com/loudhailer"
    assert environment.releases_bucket == environment.state_bucket("111111111111") == "loudhailer-local-111111111111"


def test_the_map_of_subscribers_is_terraforms(project: Project) -> None:
    """In its order."""
    path = project.terraform / "environments/dev/subscribers.tfvars.json"
    path.write_text(json.dumps({"subscribers": SUBSCRIBERS}))
    environment = Environment.of(project, "dev")
    assert environment.subscribers == (
        Subscriber("blue", "555555555555", (0, 1)),
        Subscriber("green", "666666666666", (2,)),
    )
    assert environment.dependent("subscriber", "green").account_id == "666666666666"
    with pytest.raises(OperatorError) as refused:
        environment.dependent("subscriber", "red")
    assert "blue, green" in refused.value.remedy


def test_a_release_reaches_the_cells_of_its_own_region(project: Project) -> None:
    """Lambda runs no image of another Region: a cell there is in the map, and in no wave."""
    entry = {"account_id": "666666666666", "external_id": "loudhailer-dev-1", "region": "eu-central-1"}
    cells = {"north": entry, "far": {**entry, "account_id": "777777777777", "region": "us-east-1"}}
    (project.terraform / "environments/dev/cells.tfvars.json").write_text(json.dumps({"cells": cells}))
    environment = Environment.of(project, "dev")
    north = Cell("north", "666666666666", "eu-central-1")
    assert environment.cells == (north, Cell("far", "777777777777", "us-east-1"))
    assert environment.dependents("cell") == [north]
    with pytest.raises(OperatorError, match="dev has no cell 'far' in eu-central-1") as refused:
        environment.dependent("cell", "far")
    assert "there: north." in refused.value.remedy


def test_a_cell_and_a_subscriber_of_one_name_are_refused(project: Project) -> None:
    """Their plans would be one artifact of the workflow's run."""
    entry = {"account_id": "666666666666", "external_id": "loudhailer-dev-1", "region": "eu-central-1"}
    folder = project.terraform / "environments/dev"
    (folder / "cells.tfvars.json").write_text(json.dumps({"cells": {"blue": entry}}))
    (folder / "subscribers.tfvars.json").write_text(json.dumps({"subscribers": SUBSCRIBERS}))
    with pytest.raises(OperatorError, match="a cell and a subscriber of the name 'blue'"):
        Environment.of(project, "dev")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ([], "is no JSON object."),
        ({"cells": []}, "has an illegal cells: []."),
        ({"subscribers": {}}, "has no cells."),
        ({"cells": {"north": "666666666666"}}, "has an illegal cells.north: '666666666666'."),
        ({"cells": {"north": {"region": "eu-central-1"}}}, "has no cells.north.account_id."),
        ({"cells": {"north": {"account_id": "666666666666"}}}, "has no cells.north.region."),
        ({"cells": {"north": {"account_id": "666666666666", "region": ""}}}, "has an illegal cells.north.region: ''."),
        ({"cells": {"north": {"account_id": "666666666666", "region": 1}}}, "has an illegal cells.north.region: 1."),
        (
            {"cells": {"north": {"account_id": "6", "region": "eu-central-1"}}},
            "has an illegal cells.north.account_id: '6'.",
        ),
    ],
)
def test_a_malformed_map_of_cells_is_refused(project: Project, document: object, problem: str) -> None:
    """Before a role is made of it, with the file and the field."""
    path = project.terraform / "environments/dev/cells.tfvars.json"
    path.write_text(json.dumps(document))
    with pytest.raises(OperatorError) as refused:
        Environment.of(project, "dev")
    assert refused.value.problem == f"{path} {problem}"


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"subscribers": []}, "has an illegal subscribers: []."),
        ({"subscribers": {"blue": {}}}, "has no subscribers.blue.account_id."),
        (
            {"subscribers": {"blue": {"account_id": "55555555555", "shards": [0]}}},
            "has an illegal subscribers.blue.account_id: '55555555555'.",
        ),
        (
            {"subscribers": {"blue": {"account_id": 555555555555, "shards": [0]}}},
            "has an illegal subscribers.blue.account_id: 555555555555.",
        ),
        ({"subscribers": {"blue": {"account_id": "555555555555"}}}, "has no subscribers.blue.shards."),
        (
            {"subscribers": {"blue": {"account_id": "555555555555", "shards": 0}}},
            "has an illegal subscribers.blue.shards: 0.",
        ),
        (
            {"subscribers": {"blue": {"account_id": "555555555555", "shards": ["0", -1]}}},
            "has an illegal subscribers.blue.shards: ['0', -1].",
        ),
    ],
)
def test_a_malformed_map_of_subscribers_is_refused(project: Project, document: object, problem: str) -> None:
    """Before a role is made of it, with the file and the field."""
    path = project.terraform / "environments/dev/subscribers.tfvars.json"
    path.write_text(json.dumps(document))
    with pytest.raises(OperatorError) as refused:
        Environment.of(project, "dev")
    assert refused.value.problem == f"{path} {problem}"


def test_a_map_that_is_no_json_is_refused(project: Project) -> None:
    """With the place of the mistake."""
    (project.terraform / "environments/dev/cells.tfvars.json").write_text("{")
    with pytest.raises(OperatorError, match=r"cells\.tfvars\.json is no JSON: .*line 1"):
        Environment.of(project, "dev")


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("hub", 'account_id  = "222222222222"', "", "has no account_id."),
        (
            "hub",
            'account_id  = "222222222222"',
            "account_id = 222222222222",
            "has an illegal account_id: 222222222222.",
        ),
        ("hub", 'region      = "eu-central-1"', "", "has no region."),
        ("hub", 'region      = "eu-central-1"', 'region = "Frankfurt"', "has an illegal region: 'Frankfurt'."),
        ("hub", 'environment = "dev"', 'prefix = "Big_One"', "has an illegal prefix: 'Big_One'."),
        ("hub", 'environment = "dev"', 'prefix = "awshout"', "has an illegal prefix: 'awshout'."),
        ("hub", 'environment = "dev"', 'prefix = "ssm-hailer"', "has an illegal prefix: 'ssm-hailer'."),
        ("hub", 'environment = "dev"', 'auth = "iam"', "has an illegal auth: 'iam'."),
        ("registry", 'account_id = "444444444444", ', "", "has no images.account_id."),
        ("registry", ', prefix = "loudhailer-production"', "", "has no images.prefix."),
        ("registry", "images = {", "pictures = {", "has no images."),
    ],
)
def test_a_missing_or_illegal_field_is_named_with_its_file(
    project: Project, file: str, old: str, new: str, problem: str
) -> None:
    """A prefix that begins with aws or ssm would make a parameter's name that SSM refuses."""
    path = project.terraform / f"environments/dev/{file}.tfvars"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    with pytest.raises(OperatorError) as refused:
        Environment.of(project, "dev")
    assert refused.value.problem == f"{path} {problem}"
    assert refused.value.remedy.startswith("It must be ")


def test_an_environment_with_token_routes_cannot_be_released(project: Project) -> None:
    """Its health could not be checked: an error reports it before anything is planned."""
    Environment.of(project, "dev").require_signatures()
    with (project.terraform / "environments/dev/hub.tfvars").open("a") as file:
        file.write('\nauth = { session = "jwt" }\n')
    with pytest.raises(OperatorError, match="take tokens") as refused:
        Environment.of(project, "dev").require_signatures()
    assert 'session = "iam"' in refused.value.remedy


@pytest.mark.parametrize("name", ["test", "", "../dev", "Dev"])
def test_an_unknown_environment_is_refused(name: str) -> None:
    """With the existing ones."""
    with pytest.raises(OperatorError) as refused:
        Environment.of(Project.of_this_code(), name)
    assert "dev, local, production, staging" in refused.value.remedy


def test_an_image_of_another_repository_is_refused() -> None:
    """With the right one."""
    environment = Environment.of(Project.of_this_code(), "dev")
    environment.accept(Image(environment.repository_url, DIGEST))
    with pytest.raises(OperatorError) as refused:
        environment.accept(Image(f"{environment.repository_url}-fork", DIGEST))
    assert environment.repository_url in refused.value.remedy


def test_a_malformed_terraform_file_is_refused(project: Project) -> None:
    """In a sentence with its path."""
    path = project.terraform / "environments" / "dev" / "hub.tfvars"
    path.write_text("account_id = {")
    with pytest.raises(OperatorError, match="is not in Terraform's form"):
        Environment.of(project, "dev")
