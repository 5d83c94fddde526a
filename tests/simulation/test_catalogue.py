"""The catalogue of mutants follows the code."""

import pytest

from tests.simulation.mutants.catalogue import MUTANTS


@pytest.mark.parametrize("name", MUTANTS)
def test_every_mutant_matches_the_present_code(name: str) -> None:
    """Its module contains its text once; otherwise the nightly hunt would end with an error."""
    mutant = MUTANTS[name]
    source = mutant.path.read_text()
    assert mutant.applied_to(source) != source
