"""Every function in the image, started and asked as on Lambda."""

import ssl
import time
from dataclasses import MISSING, fields
from pathlib import Path

import pytest

from functions.broadcast.query.settings import Settings
from tests.image.emulator import running
from tests.support.certificates import self_signed
from tests.support.checkout import functions
from tests.support.management_api import running as management_api
from tests.support.surroundings import Golden, Surroundings
from tools.image.build import BuiltImage


@pytest.mark.parametrize("function", functions())
def test_a_function_handles_its_golden_event(
    image: BuiltImage, surroundings: Surroundings, function: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its handler is imported in the image, and answers and works, cold and warm, as it must; the times are printed."""
    golden = Golden.of(function, surroundings)
    surroundings.fill(golden.rows)
    started = time.perf_counter()
    with running(image.tag, function, surroundings.variables) as ask:
        answer = ask(golden.event)
        cold = time.perf_counter() - started
        golden.check(answer, surroundings)
        surroundings.fill(golden.rows)
        started = time.perf_counter()
        answer = ask(golden.event)
        warm = time.perf_counter() - started
        golden.check(answer, surroundings)
    with capsys.disabled():
        print(f"  {function}: cold {cold:.2f} s, warm {warm * 1000:.1f} ms")  # noqa: T201


def test_a_function_without_its_variables_fails_at_init_and_lists_the_missing_ones(image: BuiltImage) -> None:
    """One message names every variable; which ones each function needs, the unit tests of the settings say."""
    with running(image.tag, "query", {}) as ask:
        error = ask({})
    assert error["errorType"] == "ConfigurationError"
    missing = error["errorMessage"].removeprefix("bad environment: ").split("; ")
    assert missing == [f"{field.name.upper()} is missing" for field in fields(Settings) if field.default is MISSING]


def test_a_function_can_write_in_tmp_alone(image: BuiltImage, surroundings: Surroundings) -> None:
    """As on Lambda, its own code is out of its reach."""
    with running(image.tag, "default_route", surroundings.variables) as function:
        function({})
        code, output = function.run("touch", "/var/task/functions/new")
        assert code != 0
        assert "Read-only file system" in output
        assert function.run("touch", "/tmp/new") == (0, "")  # noqa: S108 (Lambda's)


SDKS_CERTIFICATES = "/var/task/botocore/cacert.pem"
POST = """
import time
from loudhailer.delivery.curl import CurlSender
from loudhailer.delivery.lane import Lane
from loudhailer.delivery.sigv4 import Credentials
sender = CurlSender(Lane(100, time.monotonic()), lambda: Credentials("AKIA", "secret"), "us-east-1")
print(*sender.post("{endpoint}", ["a="], b"frame", seconds=5))
"""


def test_posts_trust_the_certificates_of_the_sdk_and_no_others(
    image: BuiltImage, surroundings: Surroundings, tmp_path: Path
) -> None:
    """Over TLS, without AWS_CA_BUNDLE: they are in the image, so it does not matter where its base keeps its own."""
    certificate = self_signed(tmp_path)
    certificate.chmod(0o644)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    variables = {name: value for name, value in surroundings.variables.items() if name != "AWS_CA_BUNDLE"}
    with management_api(tls=context) as api:
        post = ("python3", "-c", POST.format(endpoint=api.endpoint))
        with running(image.tag, "default_route", variables) as function:
            assert function.run("grep", "-c", "BEGIN CERTIFICATE", SDKS_CERTIFICATES)[0] == 0
            assert function.run(*post)[1].endswith("Outcome.FAILED\n")
            assert api.requests == []
        with running(image.tag, "default_route", variables, {SDKS_CERTIFICATES: certificate}) as function:
            assert function.run(*post)[1].endswith("Outcome.DELIVERED\n")
        assert [request.body for request in api.requests] == [b"frame"]
