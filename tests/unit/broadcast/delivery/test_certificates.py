"""The file of certificates that TLS is verified against."""

from pathlib import Path

import pytest
from botocore.httpsession import DEFAULT_CA_BUNDLE

from loudhailer.delivery import certificates
from loudhailer.delivery.certificates import trusted_file


def test_the_certificates_are_the_sdks_and_in_the_package() -> None:
    """Wherever libcurl was built: nothing of the machine is asked."""
    file = Path(trusted_file({}))
    assert file == Path(DEFAULT_CA_BUNDLE)
    assert file.read_text().count("BEGIN CERTIFICATE") > 100


def test_another_certificate_file_can_be_configured() -> None:
    """AWS_CA_BUNDLE names another file; an empty value names none."""
    assert trusted_file({"AWS_CA_BUNDLE": "/etc/mine.pem"}) == "/etc/mine.pem"
    assert trusted_file({"AWS_CA_BUNDLE": ""}) == trusted_file({})


def test_no_certificate_is_trusted_without_the_sdk(monkeypatch: pytest.MonkeyPatch) -> None:
    """A sender that verified against nothing would post to any server."""
    monkeypatch.setattr(certificates, "find_spec", lambda _: None)
    with pytest.raises(FileNotFoundError):
        trusted_file({})
