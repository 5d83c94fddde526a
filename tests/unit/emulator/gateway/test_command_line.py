"""The gateway's flags."""

import json
from pathlib import Path

import pytest

from tools.emulator.gateway.__main__ import announce, parse, read_flags, ready_line
from tools.emulator.gateway.faults import Faults
from tools.emulator.gateway.limits import Limits


@pytest.fixture(autouse=True)
def _secret(monkeypatch: pytest.MonkeyPatch) -> None:
    """The starter of the gateway gives it the secret."""
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")


NEEDED = ["--aws-endpoint", "http://127.0.0.1:1", "--account", "111111111111"]


@pytest.mark.emulator_contract
def test_limits_default_to_awss_quotas() -> None:
    """The numbers of AWS's documentation."""
    limits = read_flags(Limits, parse(NEEDED))
    assert limits == Limits()
    assert (limits.rate, limits.burst, limits.connect_rate, limits.connect_burst) == (10_000, 5_000, 500, 500)
    assert (limits.message_bytes, limits.frame_bytes) == (131_072, 32_768)
    assert (limits.idle_seconds, limits.connection_seconds, limits.integration_seconds) == (600, 7_200, 29)


def test_every_limit_and_fault_is_a_flag() -> None:
    """Named like its field."""
    options = parse(
        [*NEEDED, "--rate", "inf", "--idle-seconds", "0.5", "--error-rate", "0.1", "--drop-authorizer-context"]
    )
    assert read_flags(Limits, options) == Limits(rate=float("inf"), idle_seconds=0.5)
    assert read_flags(Faults, options) == Faults(error_rate=0.1, drop_authorizer_context=True)


def test_several_accounts_may_be_served() -> None:
    """One gateway for hub and cells."""
    assert parse([*NEEDED, "--account", "222222222222"]).account == ["111111111111", "222222222222"]


def test_serving_needs_an_endpoint_and_an_account(capsys: pytest.CaptureFixture[str]) -> None:
    """Measuring the ceiling does not."""
    with pytest.raises(SystemExit):
        parse([])
    assert "--aws-endpoint" in capsys.readouterr().err
    assert parse(["ceiling", "--sockets", "5"]).sockets == 5


def test_serving_needs_the_secret(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without it nobody could be distinguished from root."""
    for environment in ({}, {"AWS_SECRET_ACCESS_KEY": ""}):
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY", raising=False)
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit):
            parse(NEEDED)
        assert "AWS_SECRET_ACCESS_KEY" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--host", "--bind"])
def test_no_flag_binds_the_gateway_to_another_interface(flag: str) -> None:
    """Its connections and orders are for this machine."""
    with pytest.raises(SystemExit):
        parse([*NEEDED, flag, "192.0.2.1"])


def test_the_ready_line_names_the_port_and_the_effective_limit(tmp_path: Path) -> None:
    """So that nobody takes the stand-in's ceiling for a broadcast's."""
    announce(ready_line(4_711, Limits()), tmp_path / "ready.json")
    ready = json.loads((tmp_path / "ready.json").read_text())
    assert (ready["event"], ready["port"], ready["requests_per_second"], ready["burst"]) == (
        "ready",
        4_711,
        "10000.0",
        5_000,
    )
    assert "ceiling" in ready["hint"]
