"""Requests that web pages have sent, or have got a browser to send."""

import pytest

from tools.emulator.perimeter.pages import PageFilter

FILTER = PageFilter(4566)
HOST = b"127.0.0.1:4566"


@pytest.mark.parametrize("host", [HOST, b"localhost:4566"])
def test_a_request_to_the_servers_own_name_and_port_is_admitted(host: bytes) -> None:
    """The two names that nobody else can own."""
    assert FILTER.host_refusal({b"host": host}) is None


@pytest.mark.parametrize(
    "host",
    [
        b"attacker.example:4566",
        b"attacker.example",
        b"127.0.0.1.attacker.example:4566",
        b"127.0.0.1",
        b"127.0.0.1:4567",
        b"127.0.0.1:45660",
        b"127.0.0.1:4566,attacker.example",
        b"localhost.attacker.example:4566",
        b"api.localhost:4566",
        b"0.0.0.0:4566",
        b"",
    ],
)
def test_a_request_to_another_name_is_refused(host: bytes) -> None:
    """A page whose own name leads to this machine (DNS rebinding) sends that name."""
    assert FILTER.host_refusal({b"host": host}) is not None


def test_a_request_without_a_host_is_refused() -> None:
    """Browsers and SDKs always send one."""
    assert FILTER.host_refusal({}) is not None


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {b"sec-fetch-site": b"none"},
        {b"sec-fetch-site": b"same-origin"},
        {b"sec-fetch-site": b"same-origin", b"origin": b"http://127.0.0.1:4566"},
        {b"origin": b"http://127.0.0.1:4566"},
    ],
)
def test_programs_people_and_the_servers_own_page_are_admitted(headers: dict[bytes, bytes]) -> None:
    """None of them is a page of another origin."""
    assert FILTER.page_refusal({b"host": HOST, **headers}) is None


@pytest.mark.parametrize(
    "headers",
    [
        {b"sec-fetch-site": b"cross-site"},
        {b"sec-fetch-site": b"same-site"},
        {b"sec-fetch-site": b"anything"},
        {b"sec-fetch-site": b"cross-site", b"origin": b"http://127.0.0.1:4566"},
        {b"origin": b"https://attacker.example"},
        {b"origin": b"null"},
        {b"origin": b""},
        {b"origin": b"http://127.0.0.1:9999"},
        {b"origin": b"https://127.0.0.1:4566"},
        {b"origin": b"http://localhost:4566"},
        {b"origin": b"http://127.0.0.1:4566.attacker.example"},
    ],
)
def test_a_page_of_another_origin_is_refused(headers: dict[bytes, bytes]) -> None:
    """Another port or another name of this machine is another origin, too."""
    assert FILTER.page_refusal({b"host": HOST, **headers}) is not None
