"""The tree of errors."""

import pytest

from loudhailer import codec, errors


@pytest.mark.parametrize(
    "error", [errors.InvalidFieldError("field", "is missing"), errors.MalformedMessageError(), codec.NotJsonError()]
)
def test_errors_of_bad_input_are_permanent(error: Exception) -> None:
    """The kinds of bad input are PermanentErrors, and never TransientErrors."""
    assert isinstance(error, errors.PermanentError)
    assert not isinstance(error, errors.TransientError)


def test_a_transient_error_is_not_permanent() -> None:
    """Transient and permanent errors have the root in common and nothing else."""
    assert issubclass(errors.TransientError, errors.LoudhailerError)
    assert not issubclass(errors.TransientError, errors.PermanentError)


def test_an_invalid_field_has_its_name_and_a_reason() -> None:
    """The field and the reason are available separately and together."""
    error = errors.InvalidFieldError("audience.all", "must be true")
    assert (error.field, error.reason, str(error)) == ("audience.all", "must be true", "audience.all: must be true")
