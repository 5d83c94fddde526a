"""The catalogue of mutants follows the code."""

import pytest

from tests.simulation.mutants.catalogue import MUTANTS
from tools.prose import problems_of_name


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_matches_the_present_code(name: str) -> None:
    """Its module contains its text once; otherwise the nightly hunt would end with an error."""
    mutant = MUTANTS[name]
    source = mutant.path.read_text()
    assert mutant.applied_to(source) != source


def test_the_names_of_mutants_are_plain_language() -> None:
    """A mutant that is not caught is reported by its name alone."""
    names = (name.partition("/")[2].replace("-", "_") for name in MUTANTS)
    assert [problem for name in names for problem in problems_of_name(name)] == []
