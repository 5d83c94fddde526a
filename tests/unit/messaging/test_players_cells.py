"""The cells of a tenant's players, by the variables of `relay_message`."""

from typing import Any

import pytest

from functions.messaging.relay_message.dynamodb import players_cells
from functions.messaging.relay_message.players_cell import AlwaysHere, ByPlacement, PlayersCell
from functions.messaging.relay_message.settings import Settings
from loudhailer.settings import from_env
from tests.support.lambda_environment import VARIABLES

HUB = VARIABLES | {"CELL_NAME": "hub", "HUB_ROLE_ARN": ""}


@pytest.mark.parametrize(
    ("variables", "kind", "asked"), [(VARIABLES | {"CELL_NAME": ""}, AlwaysHere, []), (HUB, ByPlacement, ["dynamodb"])]
)
def test_a_hub_finds_the_cell_of_a_player(variables: dict[str, str], kind: type[PlayersCell], asked: list[str]) -> None:
    """A hub without further cells reads nothing; with some, it reads placements with the tenant's credentials."""
    services: list[str] = []

    def client(service: str, *, attempts: int = 1) -> Any:
        del attempts
        services.append(service)

    assert isinstance(players_cells(from_env(Settings, variables), sqs=None)(client), kind)
    assert services == asked
