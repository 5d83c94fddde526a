"""Options of the launcher of the local AWS."""

import pytest

from tools.emulator.aws.options import parse

NEEDED = ["--port", "0", "--state-dir", "state", "--account", "111111111111"]
ENVIRONMENT = {"AWS_SECRET_ACCESS_KEY": "the stack's secret"}


def test_the_secret_comes_from_the_environment() -> None:
    """Every user of the machine can read a command line; the options' text does not show it, either."""
    options = parse(NEEDED, ENVIRONMENT)
    assert options.secret == "the stack's secret"
    assert "the stack's secret" not in repr(options)


@pytest.mark.parametrize("environment", [{}, {"AWS_SECRET_ACCESS_KEY": ""}])
def test_the_local_aws_does_not_start_without_a_secret(
    environment: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Without one, any key would be root's."""
    with pytest.raises(SystemExit):
        parse(NEEDED, environment)
    assert "AWS_SECRET_ACCESS_KEY" in capsys.readouterr().err


def test_web_identities_are_trusted_only_on_request() -> None:
    """The local AWS does not check their tokens."""
    assert not parse(NEEDED, ENVIRONMENT).trust_web_identities
    assert parse([*NEEDED, "--trust-web-identities"], ENVIRONMENT).trust_web_identities


def test_throttling_is_on_by_default() -> None:
    """A stack behaves as AWS does by default."""
    assert parse(NEEDED, ENVIRONMENT).throttling
    assert not parse([*NEEDED, "--no-throttling"], ENVIRONMENT).throttling
