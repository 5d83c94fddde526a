"""Options that several commands have."""

import pytest
import typer

from tools.cli.options import whole_number


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("1000000", 1_000_000),
        ("1_000_000", 1_000_000),
        ("1,000,000", 1_000_000),
        ("1M", 1_000_000),
        ("1m", 1_000_000),
        ("2.5k", 2_500),
        ("1e6", 1_000_000),
        ("1E6", 1_000_000),
        ("0", 0),
        ("-5", -5),
        (7, 7),
    ],
)
def test_a_number_may_be_written_as_people_do(text: str | int, number: int) -> None:
    """A million has six zeros, which are easily miscounted."""
    assert whole_number(text) == number


@pytest.mark.parametrize("text", ["", "k", "1.5", "many", "1e-3", "1MM", "nan", "inf", "1e400", "1e61"])
def test_other_texts_are_refused_with_examples(text: str) -> None:
    """A fraction of a client, too."""
    with pytest.raises(typer.BadParameter, match="250k, 1M or 1e6"):
        whole_number(text)
